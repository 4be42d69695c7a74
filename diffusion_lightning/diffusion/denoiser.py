"""The denoiser: a network that knows its schedule and what its output means."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import cast

import torch
from torch import Tensor, nn

from diffusion_lightning.diffusion.parameterizations import Parameterization
from diffusion_lightning.diffusion.schedules import Schedule


class Denoiser(nn.Module):
    """Network + schedule + parameterization; the only object that knows what the raw output is.

    Args:
        network: maps (x_t (B, C, H, W), T t (B,), labels (B,)) to (B, C, H, W), and has
            `num_classes`; label `num_classes` is the null label.
        schedule: α(t), σ(t) and T.
        parameterization: how the output encodes x0.

    Attributes:
        dtype: what the network multiplies in when it samples; everything else is float32.
    """

    def __init__(self, network: nn.Module, schedule: Schedule, parameterization: Parameterization) -> None:
        super().__init__()
        self.dtype = torch.float32
        self.network = network
        self.num_classes = cast(int, network.num_classes)
        self.schedule = schedule
        self.parameterization = parameterization

    def null(self, y: Tensor) -> Tensor:
        """Null labels in the shape of y."""
        return torch.full_like(y, self.num_classes)

    def forward(self, x_t: Tensor, t: Tensor, y: Tensor | None) -> Tensor:
        """The network's raw output (B, C, H, W) at times t (B,) for labels y (B,); None is null."""
        if y is None:
            y = self.null(torch.empty(len(x_t), dtype=torch.long, device=x_t.device))
        return self.network(x_t, (self.schedule.T * t).to(x_t, non_blocking=True), y)

    def x0(self, x_t: Tensor, t: float, y: Tensor | None) -> Tensor:
        """The predicted clean images (B, C, H, W) at one time t, decoded in the precision of x_t."""
        lower = self.dtype != torch.float32
        with torch.autocast(x_t.device.type, self.dtype) if lower else nullcontext():
            output = self(x_t, torch.full((len(x_t),), t, device=x_t.device), y)
        alpha, sigma = self.schedule.alpha(t), self.schedule.sigma(t)
        return self.parameterization.x0(output.to(x_t.dtype), x_t, alpha, sigma)

    @contextmanager
    def in_float32(self) -> Iterator[None]:
        """Inside this context nothing is multiplied in a lower precision."""
        dtype, self.dtype = self.dtype, torch.float32
        try:
            yield
        finally:
            self.dtype = dtype
