"""Times of training: at which noise levels the network learns, and how often."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch.distributions import Distribution, Laplace, Normal

from diffusion_lightning.diffusion.schedules import Schedule
from diffusion_lightning.diffusion.shapes import PerSample
from diffusion_lightning.errors import check_positive


class TimeDistribution(ABC):
    """The distribution p(t) in the loss L = E_{t ~ p(t)} weight(t) |output - target|²."""

    @abstractmethod
    def __call__(self, schedule: Schedule, n: int) -> PerSample:
        """n times in [1/T, 1], float64 on the CPU, drawn by torch's global generator."""


@dataclass(frozen=True)
class UniformTimes(TimeDistribution):
    """Every timestep is as likely: t ~ U{1/T, …, 1} (Ho et al. 2020, DDPM, arXiv 2006.11239, algorithm 1)."""

    def __call__(self, schedule: Schedule, n: int) -> PerSample:
        """i/T with i uniform in {1, …, T}."""
        return torch.randint(1, schedule.T + 1, (n,)).double() / schedule.T


class LogSNRTimes(TimeDistribution):
    """Times whose half log-SNR λ follows a distribution, whatever the schedule.

    The distribution is restricted to the λ that the schedule has between t = 1/T and t = 1.
    """

    @abstractmethod
    def distribution(self) -> Distribution:
        """Of λ, with a `cdf` and an `icdf`."""

    def __call__(self, schedule: Schedule, n: int) -> PerSample:
        """t(λ) with λ = F⁻¹(u), u uniform between F(λ(1)) and F(λ(1/T))."""
        p = self.distribution()
        noisiest, cleanest = p.cdf(schedule.lam(torch.tensor([1.0, 1 / schedule.T])))
        u = noisiest + (cleanest - noisiest) * torch.rand(n, dtype=torch.float64)
        return schedule.t_of_lam(p.icdf(u)).clamp(1 / schedule.T, 1)


@dataclass(frozen=True)
class LogNormalTimes(LogSNRTimes):
    """EDM's noise levels: κ = σ/α is log-normal, ln κ = -λ ~ N(mean, std²).

    With mean 0 and std 1 these are the logit-normal times of rectified flow: there κ = t/(1 - t), so that
    ln κ is the logit of t.

    Source: Karras et al. 2022 (EDM, arXiv 2206.00364), table 1, P_mean and P_std; Esser et al. 2024 (Scaling
    Rectified Flow Transformers, arXiv 2403.03206), eq. 19.

    Args:
        mean: of ln κ.
        std: of ln κ, positive.

    Raises:
        UserError: unless std > 0.
    """

    mean: float = -1.2
    std: float = 1.2

    def __post_init__(self) -> None:
        check_positive("std", self.std, 1.2)

    def distribution(self) -> Distribution:
        """N(-mean, std²)."""
        return Normal(*torch.tensor([-self.mean, self.std], dtype=torch.float64))


@dataclass(frozen=True)
class LaplaceTimes(LogSNRTimes):
    """The log-SNR log α²/σ² = 2λ follows a Laplace distribution: most steps where noise and signal balance.

    Source: Hang et al. 2024 (Improved Noise Schedule for Diffusion Training, arXiv 2407.03297), section 3.

    Args:
        mean: of 2λ.
        scale: b of 2λ, positive.

    Raises:
        UserError: unless scale > 0.
    """

    mean: float = 0.0
    scale: float = 0.5

    def __post_init__(self) -> None:
        check_positive("scale", self.scale, 0.5)

    def distribution(self) -> Distribution:
        """Laplace(mean/2, scale/2)."""
        return Laplace(*torch.tensor([self.mean / 2, self.scale / 2], dtype=torch.float64))
