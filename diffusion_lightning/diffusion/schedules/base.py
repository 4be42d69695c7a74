"""What every noise schedule offers, derived once from log ᾱ(t)."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property, lru_cache, wraps

import numpy as np
import torch
from torch import Tensor

from diffusion_lightning.errors import check_at_least

Time = float | Tensor


def float64(t: Time) -> Tensor:
    """Times or half log-SNRs as a float64 tensor on the CPU, where all schedule arithmetic happens."""
    return torch.as_tensor(t, dtype=torch.float64, device="cpu")


def remembered(method: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """A pure method that computes its value once for the same floats.

    A walk asks for the numbers of a time several times, and the next batch's walk again; computing them
    took longer than the walk's arithmetic on a batch of small images.
    """
    cached = lru_cache(maxsize=8192)(method)

    @wraps(method)
    def wrapped(self: "Schedule", *times: Time) -> Tensor:
        return cached(self, *times) if all(isinstance(t, float) for t in times) else method(self, *times)

    return wrapped


class Schedule(ABC):
    """A pure function of time t in [0, 1]; a new schedule writes `log_alpha_bar` and nothing else.

    Every method takes a float or a tensor of any shape and returns a float64 CPU tensor of that
    shape. Float64 scalars on the CPU multiply float32 images on any device without promoting or
    synchronising them.

    Args:
        T: number of timesteps; training draws t from {1/T, …, 1} and the network is fed T t.

    Raises:
        UserError: if T is not an integer from 1 to a million.
    """

    def __init__(self, T: int = 1000) -> None:
        self.T = check_at_least("T", T, most=1_000_000)

    @abstractmethod
    def log_alpha_bar(self, t: Time) -> Tensor:
        """log ᾱ(t): strictly decreasing, 0 at t = 0, finite at t = 1."""

    @remembered
    def alpha(self, t: Time) -> Tensor:
        """Signal scale α(t) = √ᾱ(t)."""
        return torch.exp(0.5 * self.log_alpha_bar(t))

    @remembered
    def sigma(self, t: Time) -> Tensor:
        """Noise scale σ(t) = √(1 - ᾱ(t)), through expm1 so that small t does not cancel."""
        return torch.sqrt(-torch.expm1(self.log_alpha_bar(t)))

    @remembered
    def lam(self, t: Time) -> Tensor:
        """Half log-SNR λ(t) = log(α(t)/σ(t)); infinite at t = 0."""
        log_alpha_bar = self.log_alpha_bar(t)
        return 0.5 * (log_alpha_bar - torch.log(-torch.expm1(log_alpha_bar)))

    @remembered
    def beta(self, t: Time, s: Time) -> Tensor:
        """The noise added from s to t > s, β = 1 - ᾱ(t)/ᾱ(s), which of neighbours is the table's."""
        return -torch.expm1(self.log_alpha_bar(t) - self.log_alpha_bar(s))

    def t_of_lam(self, lam: Time) -> Tensor:
        """The time at which the half log-SNR is λ, by bisection of log ᾱ(t) = -log(1 + e^(-2λ))."""
        target = -torch.nn.functional.softplus(-2.0 * float64(lam))
        low, high = torch.zeros_like(target), torch.ones_like(target)
        for _ in range(64):  # halves [0, 1] down to one float64
            middle = 0.5 * (low + high)
            too_early = self.log_alpha_bar(middle) > target
            low, high = torch.where(too_early, middle, low), torch.where(too_early, high, middle)
        return 0.5 * (low + high)


class BetaSchedule(Schedule):
    """A schedule given as DDPM's table β_1 … β_T; β is constant within a timestep.

    log ᾱ(i/T) = Σ_{j ≤ i} log(1 - β_j), linear in t in between.

    Source: Ho et al. 2020 (DDPM), eq. 4; Lu et al. 2022 (DPM-Solver), app. D.4 for the interpolation.
    """

    @abstractmethod
    def betas(self) -> Tensor:
        """β_1 … β_T as float64 (T,), each in (0, 1)."""

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray]:
        """Times i/T and log ᾱ there, i = 0 … T."""
        log_alpha_bar = torch.cat([torch.zeros(1, dtype=torch.float64), torch.log1p(-self.betas()).cumsum(0)])
        return np.arange(self.T + 1) / self.T, log_alpha_bar.numpy()

    @remembered
    def log_alpha_bar(self, t: Time) -> Tensor:
        """Linear interpolation of the table's log ᾱ at t = i/T."""
        return torch.as_tensor(np.interp(float64(t).numpy(), *self._table))
