"""What every noise schedule offers, derived once from log ᾱ(t)."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.errors import UserError, check_at_least

Time = float | Tensor

MOST_SIGNAL = 0.01
"""The largest α(1) of a schedule: a walk starts from pure noise, so no more of the image may be left there.

Source: Lin et al. 2024 (Common Diffusion Noise Schedules and Sample Steps are Flawed, arXiv 2305.08891),
section 3.1.
"""


def float64(t: Time | Sequence[float]) -> Tensor:
    """Times or half log-SNRs as a float64 tensor on the CPU, where all schedule arithmetic happens."""
    return torch.as_tensor(t, dtype=torch.float64, device="cpu")


@dataclass(frozen=True)
class Schedule(ABC):
    """A pure function of time t in [0, 1]; a new schedule writes `log_alpha_bar` and nothing else.

    Methods of t take a float or a tensor of any shape and return a float64 tensor of that shape on the
    CPU.

    A schedule with values of its own checks these first, in its `__post_init__`, and then calls this one's.

    Args:
        T: number of timesteps; training draws t from {1/T, …, 1} and the network is fed T t.

    Raises:
        UserError: if T is not an integer from 1 to a million, or the schedule does not end in pure noise.
    """

    T: int = 1000

    def __post_init__(self) -> None:
        check_at_least("T", self.T, most=1_000_000)
        alpha = float(self.alpha(1.0))
        if not alpha <= MOST_SIGNAL:
            enough = next((T for T in range(self.T + 1, 101) if self._at(T).alpha(1.0) <= MOST_SIGNAL), None)
            raise UserError(
                f"{self} leaves {alpha:.2g} of the image at t = 1, but sampling starts from pure noise, so "
                f"at most {MOST_SIGNAL} may be left: "
                + (f"T must be at least {enough}." if enough else "it must add more noise.")
            )

    def _at(self, T: int) -> "Schedule":
        """This schedule with another T, unchecked."""
        other = object.__new__(type(self))
        other.__dict__.update({field.name: getattr(self, field.name) for field in fields(self)} | {"T": T})
        return other

    @abstractmethod
    def log_alpha_bar(self, t: Time) -> Tensor:
        """log ᾱ(t): strictly decreasing, 0 at t = 0, finite at t = 1."""

    def alpha(self, t: Time) -> Tensor:
        """Signal scale α(t) = √ᾱ(t)."""
        return torch.exp(0.5 * self.log_alpha_bar(t))

    def sigma(self, t: Time) -> Tensor:
        """Noise scale σ(t) = √(1 - ᾱ(t)), through expm1 so that small t does not cancel."""
        return torch.sqrt(-torch.expm1(self.log_alpha_bar(t)))

    def lam(self, t: Time) -> Tensor:
        """Half log-SNR λ(t) = log(α(t)/σ(t)); infinite at t = 0."""
        log_alpha_bar = self.log_alpha_bar(t)
        return 0.5 * (log_alpha_bar - torch.log(-torch.expm1(log_alpha_bar)))

    def level(self, t: float) -> Level:
        """The noise level at time t."""
        return self.levels([t])[0]

    def levels(self, times: Sequence[float]) -> list[Level]:
        """The noise levels at the times of a walk, computed together, which takes a fraction of the time."""
        t = float64(times)
        columns = t, self.alpha(t), self.sigma(t), self.lam(t), self.log_alpha_bar(t)
        return [Level(*row) for row in zip(*(column.tolist() for column in columns), strict=True)]

    def t_of_lam(self, lam: Time) -> Tensor:
        """The time at which the half log-SNR is λ, by bisection of log ᾱ(t) = -log(1 + e^(-2λ))."""
        target = -torch.nn.functional.softplus(-2.0 * float64(lam))
        low, high = torch.zeros_like(target), torch.ones_like(target)
        for _ in range(64):  # halves [0, 1] down to one float64
            middle = 0.5 * (low + high)
            too_early = self.log_alpha_bar(middle) > target
            low, high = torch.where(too_early, middle, low), torch.where(too_early, high, middle)
        return 0.5 * (low + high)


@dataclass(frozen=True)
class BetaSchedule(Schedule):
    """A schedule given as DDPM's table β_1 … β_T; β is constant within a timestep.

        log ᾱ(i/T) = Σ_{j ≤ i} log(1 - β_j), linear in t in between

    Source: Ho et al. 2020 (DDPM, arXiv 2006.11239), eq. 4; Lu et al. 2022 (DPM-Solver, arXiv 2206.00927),
    appendix D.4, for the interpolation.

    Raises:
        UserError: if there are not T numbers β in (0, 1), or they do not end in pure noise.
    """

    def __post_init__(self) -> None:
        check_at_least("T", self.T, most=1_000_000)
        betas = self.betas()
        if betas.shape != (self.T,) or not bool(((betas > 0) & (betas < 1)).all()):
            raise UserError(
                f"{self} has β from {float(betas.min()):.3g} to {float(betas.max()):.3g} in the shape "
                f"{tuple(betas.shape)}; it must have T = {self.T} of them, all between 0 and 1."
            )
        super().__post_init__()

    @abstractmethod
    def betas(self) -> Tensor:
        """β_1 … β_T as float64 (T,), each in (0, 1)."""

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        """Times i/T and log ᾱ there, i = 0 … T."""
        log_alpha_bar = torch.cat([torch.zeros(1, dtype=torch.float64), torch.log1p(-self.betas()).cumsum(0)])
        return np.arange(self.T + 1) / self.T, log_alpha_bar.numpy()

    def log_alpha_bar(self, t: Time) -> Tensor:
        """Linear interpolation of the table's log ᾱ at t = i/T."""
        return torch.as_tensor(np.interp(float64(t).numpy(), *self._table))
