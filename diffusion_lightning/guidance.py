"""Guidance: which labels the network sees in training, and how its two answers are combined."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from diffusion_lightning.errors import UserError

if TYPE_CHECKING:
    from diffusion_lightning.denoiser import Denoiser


@dataclass(frozen=True)
class Guidance:
    """Unconditional, conditional and classifier-free guided models as one rule with two numbers.

    x0 = x0_null + w (x0_y - x0_null): w = 0 is unconditional, 1 conditional, > 1 guided.
    (Ho & Salimans 2022, eq. 6, write 1 + w for this w.)

    Args:
        p_uncond: probability of replacing a training label by the null label; 1 trains the
            unconditional branch alone, 0 the conditional one alone.
        scale: w.

    Raises:
        UserError: if p_uncond is not a probability, or the scale needs a branch that it never trains.
    """

    p_uncond: float
    scale: float

    def __post_init__(self) -> None:
        if not 0 <= self.p_uncond <= 1:
            raise UserError(f"guidance.p_uncond is {self.p_uncond}; it must be between 0 and 1.")
        if self.p_uncond == 1 and self.scale != 0:
            raise UserError(
                f"guidance.scale={self.scale} needs class labels, but this model is unconditional: "
                "only guidance.scale=0 is possible (train with guidance=cfg for any scale)."
            )
        if self.p_uncond == 0 and self.scale != 1:
            raise UserError(
                f"guidance.scale={self.scale} needs the unconditional branch, which this conditional "
                "model never trained: only guidance.scale=1 is possible (train with guidance=cfg "
                "for any scale)."
            )
        if not abs(self.scale) < float("inf"):
            raise UserError(f"guidance.scale is {self.scale}; it must be a finite number.")

    @property
    def uses_labels(self) -> bool:
        """Whether sampling looks at the labels."""
        return self.scale != 0

    def drop_labels(self, y: Tensor, null: Tensor) -> Tensor:
        """Training labels (B,), each replaced by the null label with probability p_uncond."""
        return torch.where(torch.rand(y.shape, device=y.device) < self.p_uncond, null, y)

    def x0(self, denoiser: "Denoiser", x_t: Tensor, t: float, y: Tensor | None) -> Tensor:
        """Guided x0 (B, C, H, W): one batched forward of both branches, or of the one that counts."""
        if not self.uses_labels:
            return denoiser.x0(x_t, t, None)
        if y is None:
            raise UserError(f"guidance.scale={self.scale} needs one label per image.")
        if self.scale == 1:
            return denoiser.x0(x_t, t, y)
        both = denoiser.x0(torch.cat([x_t, x_t]), t, torch.cat([denoiser.null(y), y]))
        x0_null, x0_y = both.chunk(2)
        return x0_null + self.scale * (x0_y - x0_null)
