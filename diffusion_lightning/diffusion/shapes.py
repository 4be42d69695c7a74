"""The shapes that signatures speak of, checked in the tests by jaxtyping's import hook.

A dimension's name stands for one number within one call: the B of the labels is the B of the images.
"""

from jaxtyping import Float, Int
from torch import Tensor

Samples = Float[Tensor, "B *shape"]
"""A batch of anything that a network denoises: images (B, C, H, W), points of a plane (B, 2), latents."""

PerSample = Float[Tensor, "B"]
"""One number per sample, such as its time or its loss."""

Labels = Int[Tensor, "B"]
"""One class per sample."""

Scale = float | Float[Tensor, ""] | Float[Tensor, "B *#shape"]
"""A factor of the samples: one for all, or one per sample, (B, 1, …, 1)."""

Scales = Float[Tensor, "*scales"]
"""Factors in any shape, such as (B, 1, …, 1)."""


def append_dims(x: PerSample, ndim: int) -> Tensor:
    """x (B,) as (B, 1, …, 1) of `ndim` dimensions, which broadcasts with samples of as many."""
    return x.view(-1, *[1] * (ndim - 1))
