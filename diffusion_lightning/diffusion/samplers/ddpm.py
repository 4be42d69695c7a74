"""Ancestral sampling."""

from collections import deque

from torch import Tensor

from diffusion_lightning.diffusion.grids import Grid
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Sampler
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.errors import UserError

VARIANCES = {
    "posterior": lambda beta, sigma_t, sigma_s: (sigma_s / sigma_t).square() * beta,
    "beta": lambda beta, sigma_t, sigma_s: beta,
}
"""The two extreme variances of Ho et al. 2020, section 3.2: β̃ (optimal for a single image) and
β (optimal for Gaussian data of unit variance)."""


class DDPM(Sampler):
    """Draws x_s from q(x_s | x_t, x0) with the predicted x0, for any two times s < t.

    β = 1 - ᾱ_t/ᾱ_s,
    x_s = (α_s β/σ_t²) x0 + (α_t σ_s²/(α_s σ_t²)) x_t + √variance z.

    Source: Ho et al. 2020 (DDPM), algorithm 2 and eq. 6-7, with β taken over the whole step as in
    Nichol & Dhariwal 2021, eq. 19.

    Args:
        steps: number of evaluations; None is all T.
        variance: "posterior" (β̃ = β σ_s²/σ_t²) or "beta" (β).
        grid: where the times lie.
    """

    def __init__(
        self, steps: int | None = None, variance: str = "posterior", grid: Grid | None = None
    ) -> None:
        super().__init__(steps, grid)
        if variance not in VARIANCES:
            allowed = " or ".join(VARIANCES)
            raise UserError(f"variance is {variance!r}; it must be {allowed}.")
        self.variance = variance

    def step(
        self,
        model: SamplingModel,
        prediction: Prediction,
        t: float,
        s: float,
        noise: Noise,
        memory: deque[Prediction],
    ) -> Tensor:
        """A draw from the posterior at s."""
        schedule = model.schedule
        alpha_t, sigma_t = prediction.alpha, prediction.sigma
        alpha_s, sigma_s = schedule.alpha(s), schedule.sigma(s)
        beta = schedule.beta(t, s)
        variance = VARIANCES[self.variance](beta, sigma_t, sigma_s)
        mean = (alpha_s * beta / sigma_t**2) * prediction.x0
        mean += (alpha_t / alpha_s * (sigma_s / sigma_t) ** 2) * prediction.x_t
        return mean + variance.sqrt() * noise()
