"""Callbacks: averaged weights, checkpoints, sample grids, FID, a guard against NaN, throughput."""

from diffusion_lightning.training.callbacks.ema import EMA, averaged_weights
from diffusion_lightning.training.callbacks.fid import TrackFID
from diffusion_lightning.training.callbacks.finite import FiniteGuard
from diffusion_lightning.training.callbacks.last_checkpoint import LastCheckpoint
from diffusion_lightning.training.callbacks.model_checkpoint import ModelCheckpoint
from diffusion_lightning.training.callbacks.sample_grid import SampleGrid
from diffusion_lightning.training.callbacks.throughput import Throughput

__all__ = [
    "EMA",
    "FiniteGuard",
    "LastCheckpoint",
    "ModelCheckpoint",
    "SampleGrid",
    "Throughput",
    "TrackFID",
    "averaged_weights",
]
