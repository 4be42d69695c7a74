"""Time grids: at which times t_N > … > t_1 > 0 a sampler looks at the samples."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise

import torch
from torch import Tensor

from diffusion_lightning.diffusion.level import SAME_TIME, check_start
from diffusion_lightning.diffusion.schedules import Schedule
from diffusion_lightning.diffusion.schedules.base import float64
from diffusion_lightning.errors import UserError, check_at_least, check_positive

LAM_MIN = -5.1
"""Where σ/α = 164. The marginal there is pure noise to one part in 10,000. The cosine schedule's σ/α reaches
20,000: a short walk would spend half of its steps beyond, and a solver that steps to the next time by the
mean of two slopes would be carried out of all images by the first. Linear's λ(1) is -5.06.

Source: Lu et al. 2022 (DPM-Solver, arXiv 2206.00927), appendix D.1, which starts the cosine schedule at
t = 0.9946."""


class Grid(ABC):
    """N decreasing times from t_start; a new grid writes `times` and nothing else.

    The walk steps t_N → … → t_1 and ends with the prediction of x0 at t_1. It starts no noisier than λ = -5.1
    (`LAM_MIN`), whatever the grid: where a schedule has more noise at t = 1, t_N is the time of that λ.
    """

    def __call__(self, schedule: Schedule, steps: int, t_start: float = 1.0) -> list[float]:
        """The times [t_N, …, t_1] as floats; t_N is t_start, unless that is noisier than `LAM_MIN`.

        Raises:
            UserError: if steps < 1 or t_start is not in (0, 1].
        """
        check_at_least("steps", steps)
        t_start = earliest(schedule, t_start)
        if steps == 1:
            return [t_start]
        # 1 at t_N, 0 at t_1
        u = torch.linspace(1, 0, steps, dtype=torch.float64)
        # The network never saw a time below 1/T; only a finer grid looks there.
        t_1 = min(1 / schedule.T, t_start / steps)
        times = float64(self.times(schedule, u, t_start, t_1)).tolist()
        last = t_1 if abs(times[-1] - t_1) <= SAME_TIME * t_1 else times[-1]
        return [t_start, *times[1:-1], last]

    @abstractmethod
    def times(self, schedule: Schedule, u: Tensor, t_start: float, t_1: float) -> Tensor | list[float]:
        """Strictly decreasing times for u = 1 … 0, starting at t_start and usually ending at t_1."""


def times_of(grid: Grid, schedule: Schedule, steps: int, t_start: float) -> list[float]:
    """The times of a walk on the grid, computed once for all walks.

    The bisection for the times of given λ takes as long as several steps of a walk beside the network.
    """
    try:
        return list(_kept(grid, schedule, steps, t_start))
    except TypeError:  # a grid or schedule of one's own without a hash
        return grid(schedule, steps, t_start)


@lru_cache(maxsize=100)
def _kept(grid: Grid, schedule: Schedule, steps: int, t_start: float) -> tuple[float, ...]:
    return tuple(grid(schedule, steps, t_start))


def earliest(schedule: Schedule, t_start: float) -> float:
    """Where a walk from t_start begins: there, or at the time of `LAM_MIN` if that is less noisy.

    Raises:
        UserError: if t_start is not in (0, 1].
    """
    t_start = check_start(t_start)
    return t_start if schedule.lam(t_start) >= LAM_MIN else float(schedule.t_of_lam(LAM_MIN))


@dataclass(frozen=True)
class Uniform(Grid):
    """t_i = t_start · i/N, known as "trailing": starts at pure noise, whatever N is.

    Source: Lin et al. 2024 (Common Diffusion Noise Schedules and Sample Steps are Flawed, arXiv 2305.08891),
    table 2.
    """

    def times(self, schedule: Schedule, u: Tensor, t_start: float, t_1: float) -> list[float]:
        """t_start · i/N, each correctly rounded, so that it equals the same time written by hand."""
        numerator, denominator = t_start.as_integer_ratio()
        # Python divides integers of any size with one rounding
        return [i * numerator / (len(u) * denominator) for i in range(len(u), 0, -1)]


@dataclass(frozen=True)
class Quadratic(Grid):
    """√t equally spaced between t_1 = 1/T and t_start: more steps where there is little noise.

    Source: Song, Meng & Ermon 2021 (DDIM, arXiv 2010.02502), appendix D.2.
    """

    def times(self, schedule: Schedule, u: Tensor, t_start: float, t_1: float) -> Tensor:
        """(√t_1 + u (√t_start - √t_1))²."""
        return (t_1**0.5 + u * (t_start**0.5 - t_1**0.5)) ** 2


@dataclass(frozen=True)
class LogSNR(Grid):
    """λ equally spaced between t_1 = 1/T and t_start.

    Source: Lu et al. 2022 (DPM-Solver, arXiv 2206.00927), section 3.3.
    """

    def times(self, schedule: Schedule, u: Tensor, t_start: float, t_1: float) -> Tensor:
        """t(λ_1 + u (λ_start - λ_1))."""
        lam_start, lam_1 = schedule.lam(t_start), schedule.lam(t_1)
        return schedule.t_of_lam(lam_1 + u * (lam_start - lam_1))


@dataclass(frozen=True)
class Karras(Grid):
    """(σ/α)^(1/ρ) equally spaced between t_1 = 1/T and t_start.

    Source: Karras et al. 2022 (EDM, arXiv 2206.00364), eq. 5, with EDM's σ read as our σ/α = e^(-λ).

    Args:
        rho: ρ, positive.

    Raises:
        UserError: unless ρ > 0.
    """

    rho: float = 7.0

    def __post_init__(self) -> None:
        check_positive("rho", self.rho, 7)

    def times(self, schedule: Schedule, u: Tensor, t_start: float, t_1: float) -> Tensor:
        """t(λ) with e^(-λ/ρ) linear in u."""
        start, end = (torch.exp(-schedule.lam(t) / self.rho) for t in (t_start, t_1))
        return schedule.t_of_lam(-self.rho * torch.log(end + u * (start - end)))


@dataclass(frozen=True)
class Times(Grid):
    """Times written by hand, whatever number of steps a sampler asks for.

    The walk starts at t_start, or where all is noise, and continues with the times below its start.

    Args:
        times: strictly decreasing, in (0, 1].

    Raises:
        UserError: unless they are; in a walk, if none of them is as early as its start.
    """

    times: Sequence[float] = (1.0, 0.8, 0.6, 0.4, 0.2, 0.1, 0.05, 0.02, 0.01)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        if not self.times or any(t - s <= SAME_TIME for t, s in pairwise(self.times)):
            raise UserError(f"times is {list(self.times)}; it must list falling times, such as [1,0.5,0.1].")
        object.__setattr__(self, "times", tuple(check_start(t, "times") for t in self.times))

    def __call__(self, schedule: Schedule, steps: int, t_start: float = 1.0) -> list[float]:
        """t_start, unless that is noisier than `LAM_MIN`, and all times below it.

        Raises:
            UserError: if t_start is not in (0, 1], or the first time is below it.
        """
        start = earliest(schedule, t_start)
        if self.times[0] < start - SAME_TIME:
            raise UserError(
                f"the times begin at {self.times[0]:g}, but the walk's noise is that of t = {start:.4g}; "
                f"begin with {t_start:g}."
            )
        return [start, *(t for t in self.times if t < start - SAME_TIME)]
