"""Training objectives: how much an error at time t counts."""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field

import torch

from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.parameterizations import Parameterization
from diffusion_lightning.diffusion.shapes import Labels, PerSample, Samples, Scales, append_dims
from diffusion_lightning.diffusion.times import TimeDistribution, UniformTimes
from diffusion_lightning.errors import check_positive


@dataclass(frozen=True)
class Objective(ABC):
    """The loss L = E_t,ε weight(t) |output(x_t, t, y) - target|², with x_t = α x0 + σ ε.

    Training needs nothing else: `objective(denoiser, x0, y).mean().backward()`.

    Source: Ho et al. 2020 (DDPM, arXiv 2006.11239), algorithm 1.

    Args:
        times: the distribution of t.
    """

    times: TimeDistribution = field(default=UniformTimes(), kw_only=True)

    def __call__(
        self,
        denoiser: Denoiser,
        x0: Samples,
        y: Labels | None,
        t: PerSample | None = None,
        eps: Samples | None = None,
    ) -> PerSample:
        """Loss of each sample, (B,): weight(t) · mean over its dimensions of (output - target)².

        Args:
            denoiser: what is trained.
            x0: clean samples (B, *).
            y: labels (B,), of which the caller has dropped those that guidance wants dropped
                (`Guidance.drop_labels`); None is the null label.
            t: times (B,) on the CPU; drawn from `times` unless given.
            eps: standard normal noise (B, *); drawn unless given.
        """
        schedule, p = denoiser.schedule, denoiser.parameterization
        t = self.times(schedule, len(x0)) if t is None else t
        eps = torch.randn_like(x0) if eps is None else eps
        alpha, sigma = (
            append_dims(scale, x0.ndim).to(x0, non_blocking=True)
            for scale in (schedule.alpha(t), schedule.sigma(t))
        )
        time = (schedule.T * t).to(x0, non_blocking=True)
        output = denoiser.output(alpha * x0 + sigma * eps, time, alpha, sigma, y)
        error = output.to(x0.dtype) - p.target(x0, eps, alpha, sigma)
        return self.weight(alpha, sigma, p).flatten() * error.square().flatten(1).mean(1)

    @abstractmethod
    def weight(self, alpha: Scales, sigma: Scales, p: Parameterization) -> Scales:
        """The weight of the output's squared error, in the shape of alpha."""


@dataclass(frozen=True)
class SimpleMSE(Objective):
    """L_simple: every timestep counts the same (Ho et al. 2020, arXiv 2006.11239, eq. 14)."""

    def weight(self, alpha: Scales, sigma: Scales, p: Parameterization) -> Scales:
        """1."""
        return torch.ones_like(alpha)


@dataclass(frozen=True)
class MinSNR(Objective):
    """Min-SNR-γ: the error of x0 weighs min(SNR, γ), whatever the network predicts.

    With SNR = α²/σ² this is min(SNR, γ)/SNR for ε, min(SNR, γ) for x0, min(SNR, γ)/(SNR + 1) for v.

    Source: Hang et al. 2023 (Efficient Diffusion Training via Min-SNR Weighting Strategy,
    arXiv 2303.09556), section 3.4.

    Args:
        gamma: γ, positive.

    Raises:
        UserError: unless γ > 0.
    """

    gamma: float = 5.0

    def __post_init__(self) -> None:
        check_positive("gamma", self.gamma, 5)

    def weight(self, alpha: Scales, sigma: Scales, p: Parameterization) -> Scales:
        """min(SNR, γ) · (∂x0/∂output)²."""
        snr = (alpha / sigma).square()
        return snr.clamp(max=self.gamma) * p.x0_gain(alpha, sigma).square()
