"""Samplers: how to walk from noise to an image."""

from diffusion_lightning.samplers.base import Sampler
from diffusion_lightning.samplers.ddim import DDIM
from diffusion_lightning.samplers.ddpm import DDPM

__all__ = ["DDIM", "DDPM", "Sampler"]
