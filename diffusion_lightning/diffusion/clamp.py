"""Clamps: keep the predicted x0 inside the range of images, after guidance and for every sampler.

ε is re-derived from the clamped x0 because `Prediction` knows nothing else. Without a clamp, errors
of x0 at high noise (amplified by σ/α) push CIFAR-10 samples out of range and they drift.
"""

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from diffusion_lightning.errors import UserError


class Clamp(ABC):
    """Maps predicted clean images (B, C, H, W) to clean images that may exist."""

    @abstractmethod
    def __call__(self, x0: Tensor) -> Tensor:
        """The clamped x0, of the same shape."""


class NoClamp(Clamp):
    """x0 as predicted."""

    def __call__(self, x0: Tensor) -> Tensor:
        """x0."""
        return x0


class Static(Clamp):
    """x0 cut to [-1, 1] (Ho et al. 2020, released code)."""

    def __call__(self, x0: Tensor) -> Tensor:
        """min(max(x0, -1), 1)."""
        return x0.clamp(-1, 1)


class Dynamic(Clamp):
    """Dynamic thresholding: each image is cut at its own quantile and rescaled into [-1, 1].

    s = max(1, quantile_p |x0|), x0 ← clip(x0, -s, s)/s. Keeps strong guidance from saturating.

    Source: Saharia et al. 2022 (Imagen), section 2.3.

    Raises:
        UserError: unless 0 < quantile ≤ 1.
    """

    def __init__(self, quantile: float = 0.995) -> None:
        if not 0 < quantile <= 1:
            raise UserError(f"quantile is {quantile}; it must be in (0, 1] (usual: 0.995).")
        self.quantile = quantile

    def __call__(self, x0: Tensor) -> Tensor:
        """clip(x0, -s, s)/s with one s per image."""
        s = torch.quantile(x0.abs().flatten(1).float(), self.quantile, dim=1).clamp(min=1)
        s = s.to(x0.dtype).view(-1, 1, 1, 1)
        return x0.clamp(-s, s) / s


class KnownPixels(Clamp):
    """Another clamp, then the known pixels put in: inpainting, for any sampler.

    As ε follows x0, a known pixel of x_t is the known image at noise level t, and a walk ends with
    the known pixels exact. An ancestral walk draws them from q(x_s | x_t, x0), that is, from the
    forward process, as RePaint does (Lugmayr et al. 2022, eq. 8).

    Args:
        clamp: applied to the unknown pixels.
        x0: the known images (B, C, H, W).
        hole: where they are unknown, bool, of a shape that broadcasts to x0's.

    Raises:
        UserError: if the hole does not fit the images.
    """

    def __init__(self, clamp: Clamp, x0: Tensor, hole: Tensor) -> None:
        if hole.dtype != torch.bool or not _fits(hole, x0):
            raise UserError(
                f"the mask is {hole.dtype} {tuple(hole.shape)}, the images are {tuple(x0.shape)}; it must "
                "be bool, with a side equal to the images' or of 1 in each dimension."
            )
        self.clamp, self.known, self.hole = clamp, x0, hole

    def __call__(self, x0: Tensor) -> Tensor:
        """clamp(x0) in the hole, the known images around it."""
        return torch.where(self.hole, self.clamp(x0), self.known)


def _fits(hole: Tensor, x0: Tensor) -> bool:
    sides = zip(reversed(hole.shape), reversed(x0.shape), strict=False)
    return hole.ndim <= x0.ndim and all(side in (1, whole) for side, whole in sides)
