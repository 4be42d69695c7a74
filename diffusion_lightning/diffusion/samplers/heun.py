"""Heun's method on the probability-flow ODE."""

import math
from collections import deque

import torch
from torch import Tensor

from diffusion_lightning.diffusion.grids import Grid
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Sampler
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.errors import UserError

MAX_CHURN = 2**0.5 - 1
"""Up to here no more fresh noise is added than the image already has (EDM, algorithm 2)."""


class Heun(Sampler):
    """An Euler step, then the mean of the slopes at both ends; second order, 2N - 1 evaluations.

    In y = x/α and κ = σ/α the ODE is dy/dκ = ε(x, t):
    y' = y_t + (κ_s - κ_t) ε_t,  y_s = y_t + (κ_s - κ_t) (ε_t + ε')/2.

    With churn γ the step goes on to κ_s/(1 + γ) and comes back to κ_s with fresh noise. EDM adds that
    noise before a step; after it, the evaluation at s serves both.

    Source: Karras et al. 2022 (EDM), algorithms 1 and 2, with EDM's σ read as our κ.

    Args:
        steps: number of grid times N; None is all T.
        churn: γ in [0, √2 - 1]; 0 is deterministic.
        grid: where the times lie.
    """

    step_evaluations = 1

    def __init__(self, steps: int | None = 18, churn: float = 0.0, grid: Grid | None = None) -> None:
        super().__init__(steps, grid)
        if not 0 <= churn <= MAX_CHURN:
            raise UserError(f"churn is {churn}; it must be between 0 and {MAX_CHURN:.3f}.")
        self.churn = churn

    def step(
        self,
        model: SamplingModel,
        prediction: Prediction,
        t: float,
        s: float,
        noise: Noise,
        memory: deque[Prediction],
    ) -> Tensor:
        """x_s by the trapezoidal rule, with the churned part of its noise exchanged."""
        schedule = model.schedule
        # κ = e^-λ; without churn the step goes no further than s
        lam_s = schedule.lam(s)
        low = float(schedule.t_of_lam(lam_s + math.log1p(self.churn))) if self.churn else s
        kappa_t, kappa_s, kappa_low = (
            torch.exp(-prediction.lam),
            torch.exp(-lam_s),
            torch.exp(-schedule.lam(low)),
        )
        y, h = prediction.x_t / prediction.alpha, kappa_low - kappa_t
        eps = model(schedule.alpha(low) * (y + h * prediction.eps), low).eps
        y = y + h * 0.5 * (prediction.eps + eps)
        if self.churn:
            y = y + (kappa_s**2 - kappa_low**2).sqrt() * noise()
        return schedule.alpha(s) * y
