"""Guidance: which labels the network sees in training, and how its two answers are combined."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from diffusion_lightning.diffusion.denoiser import PredictsX0
from diffusion_lightning.diffusion.level import Level, in_interval
from diffusion_lightning.diffusion.shapes import Labels, PerSample, Samples
from diffusion_lightning.errors import UserError


@runtime_checkable
class Guide(Protocol):
    """What a sampling model needs of guidance."""

    def x0(self, denoiser: PredictsX0, x_t: Samples, level: Level, y: Labels | None) -> Samples:
        """x0 (B, *) at one noise level for labels y (B,)."""


@dataclass(frozen=True)
class Guidance:
    """Unconditional, conditional and classifier-free guided models as one rule with two numbers.

        x0 = x0_null + w (x0_y - x0_null)

    w = 0 is unconditional, 1 conditional, > 1 guided.
    (Ho & Salimans 2022, arXiv 2207.12598, eq. 6, write 1 + w for this w.)

    With a class to guide away from, its x0 stands in the place of x0_null. With a profile r, w depends on the
    time: w(t) = 1 + r(t) (w - 1), so that r = 1 guides in full and r = 0 not at all.

    Args:
        p_uncond: probability of replacing a training label by the null label; 1 trains the
            unconditional branch alone, 0 the conditional one alone.
        scale: w.
        interval: the times between which w applies, both included to 1e-9; outside, w is 1
            (Kynkäänniemi et al. 2024, Applying Guidance in a Limited Interval, arXiv 2404.07724, eq. 5).
        rescale: φ in [0, 1]: how far the standard deviation of each guided sample returns to that of the
            conditional one, x0 ← φ x0 std(x0_y)/std(x0) + (1 - φ) x0; 0 is off (Lin et al. 2024, Common
            Diffusion Noise Schedules and Sample Steps are Flawed, arXiv 2305.08891, eq. 15 and 16, on x0).
        profile: points (t, r) with rising t, between which r(t) is linear, and beyond which it is constant;
            None is r = 1 (Wang et al. 2024, Analysis of Classifier-Free Guidance Weight Schedulers,
            arXiv 2404.13040, section 4, for such w).
        away: a class to guide away from; None is the null label.

    Raises:
        UserError: if a value is out of its range, or the scale needs a branch that is never trained.
    """

    p_uncond: float
    scale: float
    interval: Sequence[float] = (0.0, 1.0)
    rescale: float = 0.0
    profile: Sequence[Sequence[float]] | None = None
    away: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.p_uncond <= 1:
            raise UserError(f"p_uncond is {self.p_uncond}; it must be between 0 and 1.")
        if self.p_uncond == 1 and self.scale != 0:
            raise UserError(
                f"scale={self.scale} needs class labels, but this model is unconditional: only scale=0 is "
                "possible (a model trained with p_uncond between 0 and 1 takes any scale)."
            )
        if self.p_uncond == 0 and self.scale != 1 and self.away is None:
            raise UserError(
                f"scale={self.scale} needs the unconditional branch, which this conditional model never "
                "trained: only scale=1 is possible, or a class to guide away from (a model trained with "
                "p_uncond between 0 and 1 takes any scale)."
            )
        if not abs(self.scale) < float("inf"):
            raise UserError(f"scale is {self.scale}; it must be a finite number.")
        if not _is_interval(self.interval):
            raise UserError(
                f"interval is {self.interval}; it must be two times, the earlier first, "
                "such as [0.1,0.8]; [0,1] is everywhere."
            )
        if not self._everywhere and self.p_uncond == 1:
            raise UserError(
                "interval needs class labels, which this unconditional model does not have; leave it at "
                "[0,1]."
            )
        if self.p_uncond == 1 and not (self.profile is None and self.away is None):
            raise UserError("profile and away need class labels, which this unconditional model has not.")
        if self.profile is not None and not _is_profile(self.profile):
            raise UserError(
                f"profile is {self.profile}; it must list points [t,r] with t rising from 0 to 1, such as "
                "[[0,0],[0.5,1],[1,0]]."
            )
        if not 0 <= self.rescale <= 1:
            raise UserError(f"rescale is {self.rescale}; it must be between 0 (off) and 1.")

    @property
    def _everywhere(self) -> bool:
        return tuple(self.interval) == (0, 1)

    @property
    def uses_labels(self) -> bool:
        """Whether sampling looks at the labels."""
        return self.scale != 0 or not self._everywhere or not (self.profile is None and self.away is None)

    def __str__(self) -> str:
        """As pictures say it: `w = 5 for t in [0, 0.7]`, and whatever else is on."""
        if not self.uses_labels:
            return "unconditional"
        low, high = self.interval
        said = [f"w = {self.scale:g}" + ("" if self._everywhere else f" for t in [{low:g}, {high:g}]")]
        others = {"rescale": self.rescale or None, "profile": self.profile, "away": self.away}
        return ", ".join(said + [f"{name} = {value}" for name, value in others.items() if value is not None])

    def scale_at(self, t: float) -> float:
        """w(t): 1 outside the interval, and 1 + r(t) (w - 1) within it."""
        if not in_interval(t, *self.interval):
            return 1.0
        if self.profile is None:
            return self.scale
        times, r = zip(*self.profile, strict=True)
        return 1 + float(np.interp(t, times, r)) * (self.scale - 1)

    def drop_labels(self, y: Labels, null: Labels, u: PerSample | None = None) -> Labels:
        """Training labels (B,), the null label where u < p_uncond.

        Args:
            y: the labels.
            null: null labels.
            u: uniform in [0, 1); drawn unless given.
        """
        u = torch.rand(len(y), device=y.device) if u is None else u
        return torch.where(u < self.p_uncond, null, y)

    def x0(self, denoiser: PredictsX0, x_t: Samples, level: Level, y: Tensor | None) -> Samples:
        """Guided x0 (B, *): one batched forward of both branches, or of the one that counts.

        Raises:
            UserError: if the scale needs labels, and there is not one per sample.
        """
        scale = self.scale_at(level.t)
        if scale == 0 and self.away is None:
            return denoiser.x0(x_t, level, None)
        if y is None or len(y) != len(x_t):
            count = 0 if y is None else len(y)
            raise UserError(
                f"scale={scale} needs one label per image; {len(x_t)} images have {count} labels."
            )
        if scale == 1:
            return denoiser.x0(x_t, level, y)
        other = denoiser.null(y) if self.away is None else torch.full_like(y, self.away)
        if scale == 0:
            return denoiser.x0(x_t, level, other)
        both = denoiser.x0(torch.cat([x_t, x_t]), level, torch.cat([other, y]))
        x0_other, x0_y = both.chunk(2)
        x0 = x0_other + scale * (x0_y - x0_other)
        if self.rescale == 0:
            return x0
        gain = _std(x0_y) / _std(x0)
        return x0 * (1 + self.rescale * (gain - 1))


def _is_interval(value: Any) -> bool:
    try:
        low, high = value
        return bool(0 <= low < high <= 1)
    except (TypeError, ValueError):
        return False


def _is_profile(points: Any) -> bool:
    try:
        times, r = zip(*points, strict=True)
        rising = all(a < b for a, b in pairwise(times))
        return bool(rising and times[0] >= 0 and times[-1] <= 1 and all(map(math.isfinite, r)))
    except (TypeError, ValueError):
        return False


def _std(x: Tensor) -> Tensor:
    """Standard deviation of each sample, (B, 1, …, 1)."""
    return x.std(dim=tuple(range(1, x.ndim)), keepdim=True)
