"""Denoising diffusion implicit models."""

from collections import deque

from torch import Tensor

from diffusion_lightning.diffusion.grids import Grid
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Sampler
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.errors import UserError


class DDIM(Sampler):
    """Steps along the predicted direction, with as much fresh noise as η asks for.

    x_s = α_s x0 + √(σ_s² - τ²) ε + τ z,  τ = η (σ_s/σ_t) √(1 - ᾱ_t/ᾱ_s),
    with ε = (x_t - α_t x0)/σ_t put in, which saves half of the arithmetic.

    η = 0 is deterministic (Euler's method on the probability-flow ODE), η = 1 is DDPM with the
    posterior variance.

    Source: Song, Meng & Ermon 2021 (DDIM), eq. 12 and 16.

    Args:
        steps: number of evaluations; None is all T.
        eta: η in [0, 1].
        grid: where the times lie.
    """

    def __init__(self, steps: int | None = 50, eta: float = 0.0, grid: Grid | None = None) -> None:
        super().__init__(steps, grid)
        if not 0 <= eta <= 1:
            raise UserError(f"eta is {eta}; it must be between 0 (DDIM) and 1 (DDPM).")
        self.eta = eta

    def step(
        self,
        model: SamplingModel,
        prediction: Prediction,
        t: float,
        s: float,
        noise: Noise,
        memory: deque[Prediction],
    ) -> Tensor:
        """x_s on the line through the predicted x0 and ε."""
        schedule = model.schedule
        alpha_s, sigma_s = schedule.alpha(s), schedule.sigma(s)
        beta = schedule.beta(t, s)
        tau = self.eta * sigma_s / prediction.sigma * beta.sqrt()
        gain = (sigma_s**2 - tau**2).sqrt() / prediction.sigma
        x_s = (alpha_s - gain * prediction.alpha) * prediction.x0 + gain * prediction.x_t
        return x_s + tau * noise() if self.eta > 0 else x_s
