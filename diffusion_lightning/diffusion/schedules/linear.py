"""DDPM's linear β schedule."""

from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion_lightning.diffusion.schedules.base import BetaSchedule
from diffusion_lightning.errors import UserError


@dataclass(frozen=True)
class Linear(BetaSchedule):
    """β rises linearly from `beta_start` to `beta_end`, both given for T = 1000.

    For another T both ends are scaled by 1000/T, so that ᾱ(1) stays about the same: with the default ends it
    is between 7e-6 and 5e-5 from T = 50 on. Fewer timesteps have β of 0.4 and more, and end in more noise. β
    is capped at 0.999, which only T < 21 meets. T = 1 and 2 do not end in pure noise, and are refused.

    Source: Ho et al. 2020 (DDPM, arXiv 2006.11239), section 4; the scaling is that of the code of
    Nichol & Dhariwal 2021 (Improved DDPM, arXiv 2102.09672).

    Args:
        T: number of timesteps, at least 3; from 50 on ᾱ(1) is about that of 1000.
        beta_start: β_1 for T = 1000.
        beta_end: β_T for T = 1000; large enough to end in pure noise, so at least about 0.0182.

    Raises:
        UserError: unless 0 < beta_start ≤ beta_end < 1, and these end in pure noise.
    """

    beta_start: float = 1e-4
    beta_end: float = 0.02

    def __post_init__(self) -> None:
        if not 0 < self.beta_start <= self.beta_end < 1:
            raise UserError(
                f"beta_start={self.beta_start} and beta_end={self.beta_end} must satisfy "
                "0 < beta_start <= beta_end < 1 (the usual ends are 1e-4 and 0.02)."
            )
        super().__post_init__()

    def betas(self) -> Tensor:
        """β_i, i = 1 … T, linear between the scaled ends."""
        scale = 1000 / self.T
        ends = self.beta_start * scale, self.beta_end * scale
        return torch.linspace(*ends, self.T, dtype=torch.float64).clamp(max=0.999)
