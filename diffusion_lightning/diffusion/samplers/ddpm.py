"""Ancestral sampling."""

from dataclasses import dataclass
from math import sqrt

from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Earlier, Sampler
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.shapes import Samples
from diffusion_lightning.errors import UserError

VARIANCES = {
    "posterior": lambda beta, sigma_t, sigma_s: (sigma_s / sigma_t) ** 2 * beta,
    "beta": lambda beta, sigma_t, sigma_s: beta,
}
"""The two extreme variances of Ho et al. 2020, section 3.2: β̃, which is best for a single image, and β, which
is best for Gaussian data of unit variance."""


@dataclass(frozen=True)
class DDPM(Sampler):
    """Draws x_s from q(x_s | x_t, x0) with the predicted x0, for any two times s < t.

        x_s = (α_s β/σ_t²) x0 + (α_t σ_s²/(α_s σ_t²)) x_t + √variance z,  β = 1 - ᾱ_t/ᾱ_s

    Source: Ho et al. 2020 (DDPM, arXiv 2006.11239), algorithm 2 and eq. 6-7, with β taken over the whole
    step as in Nichol & Dhariwal 2021 (Improved DDPM, arXiv 2102.09672), eq. 19.

    Args:
        steps: number of evaluations; None is all T.
        variance: "posterior" (β̃ = β σ_s²/σ_t²) or "beta" (β).
        grid: where the times lie.

    Raises:
        UserError: if the variance is neither.
    """

    variance: str = "posterior"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.variance not in VARIANCES:
            raise UserError(f"variance is {self.variance!r}; it must be {' or '.join(VARIANCES)}.")

    def step(self, model: SamplingModel, p: Prediction, s: Level, noise: Noise, earlier: Earlier) -> Samples:
        """A draw from the posterior at s."""
        beta = p.level.beta_from(s)
        variance = VARIANCES[self.variance](beta, p.sigma, s.sigma)
        mean = (s.alpha * beta / p.sigma**2) * p.x0
        mean += (p.alpha / s.alpha * (s.sigma / p.sigma) ** 2) * p.x_t
        mean += sqrt(variance) * noise()
        return mean
