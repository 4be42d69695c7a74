"""DEIS: Adams-Bashforth multistep on the probability-flow ODE, with exact integrals."""

from collections import deque

import torch
from torch import Tensor

from diffusion_lightning.diffusion.grids import Grid
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Sampler
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.errors import UserError


class DEIS(Sampler):
    """Solves dy/dκ = ε for y = x/α, κ = σ/α, with ε extrapolated by earlier predictions.

    y_s = y_t + ∫_{κ_t}^{κ_s} P(κ) dκ, P the polynomial in κ through the latest `order` predictions of ε;
    order 1 holds ε, which is DDIM. The first steps have as many predictions as there are.

    Source: Zhang & Chen 2023 (Fast Sampling of Diffusion Models with Exponential Integrator), the method
    ρAB-DEIS, with their ρ our κ.

    Args:
        steps: number of grid times; None is all T.
        order: 1, 2 or 3.
        grid: where the times lie.
    """

    def __init__(self, steps: int | None = 20, order: int = 3, grid: Grid | None = None) -> None:
        super().__init__(steps, grid)
        if order not in (1, 2, 3):
            raise UserError(f"order is {order!r}; it must be 1, 2 or 3.")
        self.order = order
        self.memory_length = order - 1

    def step(
        self,
        model: SamplingModel,
        prediction: Prediction,
        t: float,
        s: float,
        noise: Noise,
        memory: deque[Prediction],
    ) -> Tensor:
        """x_s by the integral of the extrapolated ε."""
        schedule = model.schedule
        h = torch.exp(-schedule.lam(s)) - torch.exp(-prediction.lam)
        y_s = prediction.x_t / prediction.alpha + _integral([prediction, *reversed(memory)], h)
        return schedule.alpha(s) * y_s


def _integral(latest: list[Prediction], h: Tensor) -> Tensor:
    """∫_0^h P(u) du, u = κ - κ_t, of Newton's polynomial through the ε of the latest predictions."""
    u = [torch.exp(-p.lam) - torch.exp(-latest[0].lam) for p in latest]
    # Divided differences ε[0], ε[0, 1], ε[0, 1, 2] of 1, u and u (u - u_1)
    eps = [p.eps for p in latest]
    first = [(a - b) / (u_a - u_b) for a, b, u_a, u_b in zip(eps, eps[1:], u, u[1:], strict=False)]
    total = h * eps[0]
    if len(latest) > 1:
        total = total + h**2 / 2 * first[0]
    if len(latest) > 2:
        total = total + (h**3 / 3 - u[1] * h**2 / 2) * (first[0] - first[1]) / (u[0] - u[2])
    return total
