"""Resampling: a corrector that goes back to the time before, with fresh noise, and comes again."""

from collections import deque

from torch import Tensor

from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.samplers.ddpm import DDPM
from diffusion_lightning.diffusion.samplers.predictor_corrector import Corrector
from diffusion_lightning.diffusion.sampling_model import SamplingModel


class Resample(Corrector):
    """x_t ~ q(x_t | x_s), then an ancestral step back to s.

    x_t = √(ᾱ_t/ᾱ_s) x_s + √(1 - ᾱ_t/ᾱ_s) z. In inpainting each return lets what is drawn in the hole
    answer to the known pixels around it.

    Source: Lugmayr et al. 2022 (RePaint), algorithm 1, lines 8 to 10, with jumps of one step.
    """

    def __init__(self) -> None:
        self._ancestral = DDPM()

    def __call__(self, model: SamplingModel, x: Tensor, t: float, s: float, noise: Noise) -> Tensor:
        """Forward from s to t, and back."""
        beta = model.schedule.beta(t, s)
        x_t = (1 - beta).sqrt() * x + beta.sqrt() * noise()
        return self._ancestral.step(model, model(x_t, t), t, s, noise, deque())
