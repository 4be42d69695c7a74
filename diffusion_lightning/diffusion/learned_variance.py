"""A training objective that learns how much an error at time t counts."""

import math
from dataclasses import replace

import torch
from torch import Tensor, nn

from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.objectives import Objective, SimpleMSE
from diffusion_lightning.diffusion.shapes import Labels, PerSample, Samples
from diffusion_lightning.diffusion.times import TimeDistribution
from diffusion_lightning.errors import check_at_least


class LearnedVariance(nn.Module):
    """L = E_t,ε loss(t)/e^u(t) + u(t), where u(t) is trained beside the network.

    The best u(t) is log E[loss(t)], so that every noise level contributes gradients of the same size. u is a
    linear layer on Fourier features of ln κ/4, and 0 at first, where L is the loss itself.

    Source: Karras et al. 2024 (EDM2, arXiv 2312.02696), eq. 14 and 15 (configuration C); the loss is that of
    a Gaussian of learned variance, Kendall et al. 2018 (arXiv 1705.07115).

    Args:
        objective: the loss that is weighted; None is `SimpleMSE()`.
        times: the distribution of t; None is the objective's.
        channels: number of Fourier features.

    Raises:
        UserError: if channels is not a positive integer.
    """

    frequencies: Tensor
    phases: Tensor

    def __init__(
        self, objective: Objective | None = None, times: TimeDistribution | None = None, channels: int = 128
    ) -> None:
        super().__init__()
        check_at_least("channels", channels)
        objective = objective or SimpleMSE()
        self.objective = replace(objective, times=times or objective.times)
        self.times = self.objective.times
        self.register_buffer("frequencies", 2 * math.pi * torch.randn(channels))
        self.register_buffer("phases", 2 * math.pi * torch.rand(channels))
        self.linear = nn.Linear(channels, 1, bias=False)
        nn.init.zeros_(self.linear.weight)

    def forward(
        self,
        denoiser: Denoiser,
        x0: Samples,
        y: Labels | None,
        t: PerSample | None = None,
        eps: Samples | None = None,
    ) -> PerSample:
        """Loss of each sample, (B,); the arguments are those of `Objective`."""
        t = self.times(denoiser.schedule, len(x0)) if t is None else t
        u = self.log_variance(denoiser.schedule.lam(t).to(x0))
        return self.objective(denoiser, x0, y, t, eps) * torch.exp(-u) + u

    def log_variance(self, lam: PerSample) -> PerSample:
        """u (B,) at half log-SNRs λ (B,) = -ln κ."""
        features = torch.cos(-lam[:, None] / 4 * self.frequencies + self.phases)
        return self.linear(features * math.sqrt(2 / self.frequencies.numel())).squeeze(1)
