"""DPM-Solver++: exponential multistep integrators of the x0 prediction."""

from collections import deque

import torch
from torch import Tensor

from diffusion_lightning.diffusion.grids import Grid
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Sampler
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.errors import UserError


class DPMSolverPP(Sampler):
    """Solves the ODE or the SDE exactly but for x0, which earlier predictions extrapolate in λ.

    With h = λ_s - λ_t, u = λ - λ_t, and k = 1 for the ODE, 2 for the SDE:
    x_s = (σ_s/σ_t) e^(-(k-1)h) x_t + α_s ∫_0^h k e^(-k(h-u)) x0(u) du [+ σ_s √(1 - e^(-2h)) z].

    Order 1 holds x0 (the ODE's is DDIM, the SDE's DDPM); order 2 takes the line through the latest two
    predictions at the middle of the step (2M); order 3 integrates the parabola through the latest three
    (3M). The first steps have as many predictions as there are.

    Source: Lu et al. 2022 (DPM-Solver++), algorithm 2 and eq. 14 to 19. The parabola's integral is
    exact here; the authors' released 3M, and what follows it, weighs its u² term by half, which is
    second order.

    Args:
        steps: number of grid times; None is all T.
        order: 1, 2 or 3.
        sde: solve the SDE, with fresh noise at each step.
        grid: where the times lie.
    """

    def __init__(
        self, steps: int | None = 20, order: int = 2, sde: bool = False, grid: Grid | None = None
    ) -> None:
        super().__init__(steps, grid)
        if order not in (1, 2, 3):
            raise UserError(f"order is {order!r}; it must be 1, 2 or 3.")
        self.order = order
        self.sde = sde
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
        """x_s from the exponentially weighted mean of the extrapolated x0."""
        schedule = model.schedule
        alpha_s, sigma_s = schedule.alpha(s), schedule.sigma(s)
        h, k = schedule.lam(s) - prediction.lam, 2 if self.sde else 1
        integral = self._integral(prediction, memory, h, k)
        x_s = sigma_s / prediction.sigma * torch.exp(-(k - 1) * h) * prediction.x_t + alpha_s * integral
        return x_s + sigma_s * (-torch.expm1(-2 * h)).sqrt() * noise() if self.sde else x_s

    @staticmethod
    def _integral(now: Prediction, memory: deque[Prediction], h: Tensor, k: int) -> Tensor:
        """∫_0^h k e^(-k(h-u)) x0(u) du, with the powers of u integrated by parts."""
        one = -torch.expm1(-k * h)
        if len(memory) == 0:
            return one * now.x0
        before = memory[-1]
        h_1 = now.lam - before.lam
        slope = (now.x0 - before.x0) / h_1
        if len(memory) == 1:
            return one * (now.x0 + 0.5 * h * slope)
        earlier = memory[-2]
        h_2 = before.lam - earlier.lam
        curvature = (slope - (before.x0 - earlier.x0) / h_2) / (h_1 + h_2)
        u = h - one / k
        u_squared = h**2 - 2 * u / k
        # Newton's form: x0 + slope u + curvature u (u + h_1)
        return one * now.x0 + u * (slope + h_1 * curvature) + u_squared * curvature
