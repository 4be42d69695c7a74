"""DEIS: Adams-Bashforth multistep on the probability-flow ODE, with exact integrals."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from diffusion_lightning.diffusion.grids import Grid, Quadratic
from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Earlier
from diffusion_lightning.diffusion.samplers.multistep import Multistep
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.shapes import Samples


@dataclass(frozen=True)
class DEIS(Multistep):
    """Solves dy/dκ = ε for y = x/α, κ = σ/α, with ε extrapolated from earlier predictions.

        y_s = y_t + ∫_{κ_t}^{κ_s} P(κ) dκ

    P is the polynomial in κ through the latest `order` predictions of ε.
    Order 1 holds ε, which is DDIM. The first steps use as many predictions as there are.

    Source: Zhang & Chen 2023 (Fast Sampling of Diffusion Models with Exponential Integrator,
    arXiv 2204.13902), the method ρAB-DEIS, with their ρ our κ.

    Args:
        steps: number of grid times; None is all T.
        order: 1, 2 or 3.
        grid: where the times lie; quadratic unless given, as in the paper.

    Raises:
        UserError: if a value is out of its range.
    """

    grid: Grid = field(default=Quadratic(), kw_only=True)

    def step(self, model: SamplingModel, p: Prediction, s: Level, noise: Noise, earlier: Earlier) -> Samples:
        """x_s by the integral of the extrapolated ε."""
        y_s = p.x_t / p.alpha + _integral([p, *reversed(earlier)], s.kappa - p.level.kappa)
        return s.alpha * y_s


def _integral(latest: Sequence[Prediction], h: float) -> Samples:
    """∫_0^h P(u) du, u = κ - κ_t, of Newton's polynomial through the ε of the latest predictions."""
    u = [p.level.kappa - latest[0].level.kappa for p in latest]
    # Divided differences ε[0], ε[0, 1], ε[0, 1, 2] of 1, u and u (u - u_1)
    eps = [p.eps for p in latest]
    first = [(a - b) / (u_a - u_b) for a, b, u_a, u_b in zip(eps, eps[1:], u, u[1:], strict=False)]
    total = h * eps[0]
    if len(latest) > 1:
        total = total + h**2 / 2 * first[0]
    if len(latest) > 2:
        total = total + (h**3 / 3 - u[1] * h**2 / 2) * (first[0] - first[1]) / (u[0] - u[2])
    return total
