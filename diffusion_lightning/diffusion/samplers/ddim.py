"""Denoising diffusion implicit models."""

from dataclasses import dataclass
from math import sqrt

from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Earlier, Sampler
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.shapes import Samples
from diffusion_lightning.errors import UserError


@dataclass(frozen=True)
class DDIM(Sampler):
    """Steps along the predicted direction, with as much fresh noise as η asks for.

        x_s = α_s x0 + √(σ_s² - τ²) ε + τ z,  τ = η (σ_s/σ_t) √β,  β = 1 - ᾱ_t/ᾱ_s

    The code puts ε = (x_t - α_t x0)/σ_t in, which saves half of the arithmetic.

    η = 0 is deterministic (Euler's method on the probability-flow ODE), η = 1 is DDPM with the
    posterior variance.

    Source: Song, Meng & Ermon 2021 (DDIM, arXiv 2010.02502), eq. 12 and 16.

    Args:
        steps: number of evaluations; None is all T.
        eta: η in [0, 1].
        grid: where the times lie.

    Raises:
        UserError: if a value is out of its range.
    """

    steps: int | None = 50
    eta: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.eta <= 1:
            raise UserError(f"eta is {self.eta}; it must be between 0 (DDIM) and 1 (DDPM).")

    def step(self, model: SamplingModel, p: Prediction, s: Level, noise: Noise, earlier: Earlier) -> Samples:
        """x_s on the line through the predicted x0 and ε."""
        tau = self.eta * s.sigma / p.sigma * sqrt(p.level.beta_from(s))
        gain = sqrt(s.sigma**2 - tau**2) / p.sigma
        x_s = (s.alpha - gain * p.alpha) * p.x0 + gain * p.x_t
        return x_s + tau * noise() if self.eta > 0 else x_s
