"""The denoiser: a network that knows its schedule and what its output means."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Protocol, runtime_checkable

import torch
from torch import nn

from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.parameterizations import Parameterization
from diffusion_lightning.diffusion.schedules import Schedule
from diffusion_lightning.diffusion.shapes import Labels, PerSample, Samples, Scale, append_dims
from diffusion_lightning.errors import UserError


@runtime_checkable
class PredictsX0(Protocol):
    """What guidance and samplers ask of a denoiser; a closed form without a network can offer it too."""

    schedule: Schedule

    def x0(self, x_t: Samples, level: Level, y: Labels | None) -> Samples:
        """The predicted clean samples (B, *) at one noise level for labels y (B,); None is the null label."""

    def null(self, y: Labels) -> Labels:
        """Null labels in the shape of y."""


class Denoiser(nn.Module):
    """Network + schedule + parameterization; the only object that knows what the raw output is.

    Args:
        network: maps (x_t (B, *), T t (B,), labels (B,)) to (B, *), and has `num_classes`; label
            `num_classes` is the null label. `networks/base.py` has the whole contract.
        schedule: α(t), σ(t) and T.
        parameterization: how the output encodes x0.

    Attributes:
        dtype: what the network multiplies in when it samples; everything else is float32.

    Raises:
        UserError: if the network does not say its number of classes.
    """

    def __init__(self, network: nn.Module, schedule: Schedule, parameterization: Parameterization) -> None:
        super().__init__()
        num_classes = getattr(network, "num_classes", None)
        if not isinstance(num_classes, int):
            raise UserError(
                f"{type(network).__name__} has no num_classes; set it to the number of classes that the "
                "network knows (0 for none), so that this number can be the null label."
            )
        self.dtype = torch.float32
        self.network = network
        self.num_classes = num_classes
        self.schedule = schedule
        self.parameterization = parameterization

    def null(self, y: Labels) -> Labels:
        """Null labels in the shape of y."""
        return torch.full_like(y, self.num_classes)

    def forward(self, x_t: Samples, t: PerSample, y: Labels | None) -> Samples:
        """The network's raw output (B, *) at times t (B,) for labels y (B,); None is the null label."""
        alpha, sigma = (
            append_dims(scale, x_t.ndim).to(x_t) for scale in (self.schedule.alpha(t), self.schedule.sigma(t))
        )
        return self.output(x_t, (self.schedule.T * t).to(x_t, non_blocking=True), alpha, sigma, y)

    def output(self, x_t: Samples, time: PerSample, alpha: Scale, sigma: Scale, y: Labels | None) -> Samples:
        """The raw output (B, *) where time = T t (B,), as the network is fed it, and α and σ are known."""
        if y is None:
            y = self.null(torch.empty(len(x_t), dtype=torch.long, device=x_t.device))
        return self.network(self.parameterization.network_input(x_t, alpha, sigma), time, y)

    def x0(self, x_t: Samples, level: Level, y: Labels | None) -> Samples:
        """The predicted clean samples (B, *) at one noise level, decoded in the precision of x_t."""
        lower = self.dtype != torch.float32
        with torch.autocast(x_t.device.type, self.dtype) if lower else nullcontext():
            # In doubles, as in training: a product of floats is off in the last bit at 10 of 1000 timesteps
            time = torch.full((len(x_t),), self.schedule.T * level.t, dtype=x_t.dtype, device=x_t.device)
            output = self.output(x_t, time, level.alpha, level.sigma, y)
        return self.parameterization.x0(output.to(x_t.dtype), x_t, level.alpha, level.sigma)

    @contextmanager
    def casting_once(self) -> Iterator[None]:
        """Inside this context each weight is cast to `dtype` once, not at every evaluation; none may change.

        Autocast forgets its casts at the end of its outermost context, which this one is.
        """
        kind = next(self.network.parameters()).device.type
        lower = self.dtype != torch.float32
        with torch.autocast(kind, enabled=torch.is_autocast_enabled(kind)) if lower else nullcontext():
            yield

    @contextmanager
    def in_float32(self) -> Iterator[None]:
        """Inside this context nothing is multiplied in a lower precision."""
        dtype, self.dtype = self.dtype, torch.float32
        try:
            yield
        finally:
            self.dtype = dtype
