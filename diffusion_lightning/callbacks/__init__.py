"""Callbacks: averaged weights, checkpoints, sample grids, FID, a guard of numbers, throughput."""

from diffusion_lightning.callbacks.ema import EMA, averaged_weights
from diffusion_lightning.callbacks.fid import FID
from diffusion_lightning.callbacks.finite import FiniteGuard
from diffusion_lightning.callbacks.last_checkpoint import LastCheckpoint
from diffusion_lightning.callbacks.sample_grid import SampleGrid
from diffusion_lightning.callbacks.throughput import Throughput

__all__ = ["EMA", "FID", "FiniteGuard", "LastCheckpoint", "SampleGrid", "Throughput", "averaged_weights"]
