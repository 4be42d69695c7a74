"""DPM-Solver++: exponential multistep integrators of the x0 prediction."""

from dataclasses import dataclass, field
from math import exp, expm1, sqrt

from diffusion_lightning.diffusion.grids import Grid, LogSNR
from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Earlier
from diffusion_lightning.diffusion.samplers.multistep import Multistep
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.shapes import Samples


@dataclass(frozen=True)
class DPMSolverPP(Multistep):
    """Solves the ODE or the SDE exactly but for x0, which is extrapolated in λ from earlier predictions.

    With h = λ_s - λ_t, u = λ - λ_t, and k = 1 for the ODE, 2 for the SDE:

        x_s = (σ_s/σ_t) e^(-(k-1)h) x_t + α_s ∫_0^h k e^(-k(h-u)) x0(u) du [+ σ_s √(1 - e^(-2h)) z]

    Order 1 holds x0 (for the ODE that is DDIM, for the SDE DDPM). Order 2 takes the line through the latest
    two predictions at the middle of the step (2M). Order 3 integrates the parabola through the latest three
    (3M). The first steps use as many predictions as there are.

    Source: Lu et al. 2022 (DPM-Solver++, arXiv 2211.01095), algorithm 2 and eq. 14 to 19. The parabola's
    integral is exact here. The authors' released 3M, and code that follows it, weighs its u² term by half,
    which is second order.

    Args:
        steps: number of grid times; None is all T.
        order: 1, 2 or 3.
        sde: solve the SDE, with fresh noise at each step.
        grid: where the times lie; equally spaced in λ unless given, as in the paper.

    Raises:
        UserError: if a value is out of its range.
    """

    order: int = 2
    sde: bool = False
    grid: Grid = field(default=LogSNR(), kw_only=True)

    def step(self, model: SamplingModel, p: Prediction, s: Level, noise: Noise, earlier: Earlier) -> Samples:
        """x_s from the exponentially weighted mean of the extrapolated x0."""
        h, k = s.lam - p.lam, 2 if self.sde else 1
        integral = self._integral(p, earlier, h, k)
        x_s = s.sigma / p.sigma * exp(-(k - 1) * h) * p.x_t + s.alpha * integral
        return x_s + s.sigma * sqrt(-expm1(-2 * h)) * noise() if self.sde else x_s

    @staticmethod
    def _integral(now: Prediction, earlier: Earlier, h: float, k: int) -> Samples:
        """∫_0^h k e^(-k(h-u)) x0(u) du, with the powers of u integrated by parts."""
        one = -expm1(-k * h)
        if len(earlier) == 0:
            return one * now.x0
        before = earlier[-1]
        h_1 = now.lam - before.lam
        slope = (now.x0 - before.x0) / h_1
        if len(earlier) == 1:
            return one * (now.x0 + 0.5 * h * slope)
        first = earlier[-2]
        h_2 = before.lam - first.lam
        curvature = (slope - (before.x0 - first.x0) / h_2) / (h_1 + h_2)
        u = h - one / k
        u_squared = h**2 - 2 * u / k
        # Newton's form: x0 + slope u + curvature u (u + h_1)
        return one * now.x0 + u * (slope + h_1 * curvature) + u_squared * curvature
