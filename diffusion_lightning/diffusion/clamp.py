"""Clamps: keep the predicted x0 inside the range of images, after guidance and for every sampler.

ε is re-derived from the clamped x0 because `Prediction` knows nothing else. Without a clamp, errors
of x0 at high noise (amplified by σ/α) push CIFAR-10 samples out of range and they drift.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion_lightning.diffusion.shapes import Samples, append_dims
from diffusion_lightning.errors import UserError


class Clamp(ABC):
    """Maps predicted clean samples (B, *) to clean samples that may exist."""

    @abstractmethod
    def __call__(self, x0: Samples) -> Samples:
        """The clamped x0."""


@dataclass(frozen=True)
class NoClamp(Clamp):
    """x0 as predicted."""

    def __call__(self, x0: Samples) -> Samples:
        """x0."""
        return x0


@dataclass(frozen=True)
class Static(Clamp):
    """x0 cut to [-1, 1] (Ho et al. 2020, released code)."""

    def __call__(self, x0: Samples) -> Samples:
        """min(max(x0, -1), 1)."""
        return x0.clamp(-1, 1)


@dataclass(frozen=True)
class Dynamic(Clamp):
    """Dynamic thresholding: each sample is cut at its own quantile and rescaled into [-1, 1].

        s = max(1, quantile_p |x0|),  x0 ← clip(x0, -s, s)/s

    Keeps strong guidance from saturating.

    Source: Saharia et al. 2022 (Imagen, arXiv 2205.11487), section 2.3.

    Args:
        quantile: p, in (0, 1].

    Raises:
        UserError: unless 0 < quantile ≤ 1.
    """

    quantile: float = 0.995

    def __post_init__(self) -> None:
        if not 0 < self.quantile <= 1:
            raise UserError(f"quantile is {self.quantile}; it must be in (0, 1] (usual: 0.995).")

    def __call__(self, x0: Samples) -> Samples:
        """clip(x0, -s, s)/s with one s per sample."""
        s = _quantile(x0.abs().flatten(1).float(), self.quantile).clamp(min=1)
        s = append_dims(s.to(x0.dtype), x0.ndim)
        return x0.clamp(-s, s) / s


@dataclass(frozen=True, eq=False)
class KnownPixels(Clamp):
    """Another clamp, then the known pixels put in: inpainting, for any sampler.

    As ε follows x0, a known pixel of x_t is the known image at noise level t, and a walk ends with
    the known pixels exact. An ancestral walk draws them from q(x_s | x_t, x0), that is, from the
    forward process, as RePaint does (Lugmayr et al. 2022, arXiv 2201.09865, eq. 8).

    Args:
        clamp: applied to the unknown pixels.
        x0: the known samples (B, *).
        hole: where they are unknown, bool, of a shape that broadcasts to x0's.

    Raises:
        UserError: if the hole does not fit the samples.
    """

    clamp: Clamp
    x0: Samples
    hole: Tensor

    def __post_init__(self) -> None:
        if self.hole.dtype != torch.bool or not _fits(self.hole, self.x0):
            raise UserError(
                f"the mask is {self.hole.dtype} {tuple(self.hole.shape)}, the images are "
                f"{tuple(self.x0.shape)}; it must be bool, with a side equal to the images' or of 1 in each "
                "dimension."
            )

    def __call__(self, x0: Samples) -> Samples:
        """clamp(x0) in the hole, the known samples around it."""
        return torch.where(self.hole, self.clamp(x0), self.x0)


def _quantile(x: Tensor, p: float) -> Tensor:
    """The quantile p in (0, 1] of each row of x (B, D), linear between neighbours, (B,).

    Bit for bit that of torch.quantile, which needs float64 on the device.
    """
    rank = torch.tensor(p).item() * (x.shape[1] - 1)  # torch takes p in float32
    largest = x.topk(x.shape[1] - int(rank), dim=1).values
    return torch.lerp(largest[:, -1], largest[:, -2:][:, 0], rank - int(rank))


def _fits(hole: Tensor, x0: Tensor) -> bool:
    sides = zip(reversed(hole.shape), reversed(x0.shape), strict=False)
    return hole.ndim <= x0.ndim and all(side in (1, whole) for side, whole in sides)
