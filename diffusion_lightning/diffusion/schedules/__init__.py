"""Noise schedules: how much signal and how much noise there is at time t."""

from diffusion_lightning.diffusion.schedules.base import BetaSchedule, Schedule, Time
from diffusion_lightning.diffusion.schedules.cosine import Cosine
from diffusion_lightning.diffusion.schedules.given import GivenBetas
from diffusion_lightning.diffusion.schedules.linear import Linear

__all__ = ["BetaSchedule", "Cosine", "GivenBetas", "Linear", "Schedule", "Time"]
