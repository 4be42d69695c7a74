"""Callbacks: averaged weights, checkpoints, sample grids, FID, throughput."""

from diffusion_lightning.callbacks.ema import EMA, averaged_weights
from diffusion_lightning.callbacks.fid import FID
from diffusion_lightning.callbacks.last_checkpoint import LastCheckpoint
from diffusion_lightning.callbacks.sample_grid import SampleGrid
from diffusion_lightning.callbacks.throughput import Throughput

__all__ = ["EMA", "FID", "LastCheckpoint", "SampleGrid", "Throughput", "averaged_weights"]
