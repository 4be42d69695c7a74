"""Heun's method on the probability-flow ODE."""

from dataclasses import dataclass, field
from math import log1p, sqrt

import torch

from diffusion_lightning.diffusion.grids import Grid, Karras
from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Earlier, Sampler
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.schedules import Schedule
from diffusion_lightning.diffusion.shapes import Samples
from diffusion_lightning.errors import UserError

MAX_CHURN = 2**0.5 - 1
"""Up to here no more fresh noise is added than x already has (EDM, algorithm 2)."""


@dataclass(frozen=True)
class Heun(Sampler):
    """An Euler step, then the mean of the slopes at both ends; second order, 2N - 1 evaluations.

    In y = x/α and κ = σ/α the ODE is dy/dκ = ε(x, t) = (y - x0)/κ:

        y' = y_t + (κ_s - κ_t) ε_t,  y_s = y_t + (κ_s - κ_t) (ε_t + ε')/2

    The code puts ε in: y' lies between x0 and y_t, and y_s in the middle of both Euler steps from y_t, along
    ε_t and along ε'.

    With churn γ the step continues to κ_s/(1 + γ) and returns to κ_s with fresh noise. EDM adds that
    noise before a step; after it, the evaluation at s serves both.

    Source: Karras et al. 2022 (EDM, arXiv 2206.00364), algorithms 1 and 2, with EDM's σ read as our κ.

    Args:
        steps: number of grid times N; None is all T.
        churn: γ in [0, √2 - 1]; 0 is deterministic.
        grid: where the times lie; EDM's unless given.

    Raises:
        UserError: if a value is out of its range.
    """

    steps: int | None = 18
    churn: float = 0.0
    grid: Grid = field(default=Karras(), kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.churn <= MAX_CHURN:
            raise UserError(f"churn is {self.churn}; it must be between 0 and {MAX_CHURN:.3f}.")

    @property
    def step_evaluations(self) -> int:
        """The slope at the end of the Euler step."""
        return 1

    def step(self, model: SamplingModel, p: Prediction, s: Level, noise: Noise, earlier: Earlier) -> Samples:
        """x_s by the trapezoidal rule, with the churned part of its noise exchanged."""
        low = self._below(s, model.schedule) if self.churn else s
        y, ratio = p.x_t / p.alpha, low.kappa / p.level.kappa
        euler = torch.lerp(p.x0, y, ratio)
        x0 = model(low.alpha * euler, low).x0
        y = torch.lerp(euler, y.add(euler - x0, alpha=1 - 1 / ratio), 0.5)
        if self.churn:
            y = y + sqrt(s.kappa**2 - low.kappa**2) * noise()
        return s.alpha * y

    def _below(self, s: Level, schedule: Schedule) -> Level:
        """The level of κ_s/(1 + γ)."""
        return schedule.level(float(schedule.t_of_lam(s.lam + log1p(self.churn))))
