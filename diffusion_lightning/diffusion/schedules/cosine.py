"""The cosine schedule of improved DDPM."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion_lightning.diffusion.schedules.base import BetaSchedule
from diffusion_lightning.errors import check_positive


@dataclass(frozen=True)
class Cosine(BetaSchedule):
    """ᾱ falls as a squared cosine, so noise arrives evenly instead of early.

        ᾱ(t) = f(t)/f(0),  f(t) = cos²(π/2 · (t + s)/(1 + s)),  β_i = min(1 - ᾱ(i/T)/ᾱ((i-1)/T), 0.999)

    The cap, which only the last timestep meets, keeps ᾱ(1) > 0.

    Source: Nichol & Dhariwal 2021 (Improved DDPM, arXiv 2102.09672), eq. 17.

    Args:
        T: number of timesteps, at least 5.
        s: keeps β small near t = 0; positive.

    Raises:
        UserError: unless s > 0, and T ≥ 5, below which ᾱ(1) is no pure noise.
    """

    s: float = 0.008

    def __post_init__(self) -> None:
        check_positive("s", self.s, 0.008)
        super().__post_init__()

    def betas(self) -> Tensor:
        """β_i, i = 1 … T, from the ratio of neighbouring f."""
        t = torch.arange(self.T + 1, dtype=torch.float64) / self.T
        f = torch.cos(0.5 * math.pi * (t + self.s) / (1 + self.s)) ** 2
        return (1 - f[1:] / f[:-1]).clamp(max=0.999)
