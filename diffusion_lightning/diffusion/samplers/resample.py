"""Resampling: a corrector that returns to the time before, with fresh noise, and steps down again."""

from dataclasses import dataclass
from math import sqrt

from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.samplers.base import Sampler
from diffusion_lightning.diffusion.samplers.ddpm import DDPM
from diffusion_lightning.diffusion.samplers.predictor_corrector import Corrector, NoStep
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.shapes import Samples


@dataclass(frozen=True)
class Resample(Corrector):
    """x_t ~ q(x_t | x_s), then a step of the predictor back to s.

        x_t = √(1 - β) x_s + √β z,  β = 1 - ᾱ_t/ᾱ_s

    In inpainting, each return lets what is drawn in the hole
    answer to the known pixels around it.

    Source: Lugmayr et al. 2022 (RePaint, arXiv 2201.09865), algorithm 1, lines 8 to 10, with jumps of one
    step; the predictor is DDPM there, and here too where it is `NoStep`. A multistep solver starts again
    with one prediction.
    """

    def __call__(
        self, model: SamplingModel, x: Samples, t: Level, s: Level, noise: Noise, predictor: Sampler
    ) -> Samples:
        """Forward from s to t, and back."""
        beta = t.beta_from(s)
        x_t = sqrt(1 - beta) * x + sqrt(beta) * noise()
        return _back(predictor).step(model, model(x_t, t), s, noise, ())

    def evaluations(self, predictor: Sampler) -> int:
        """One at t, and those of the predictor's step."""
        return 1 + _back(predictor).step_evaluations


def _back(predictor: Sampler) -> Sampler:
    """What steps down again."""
    return DDPM() if isinstance(predictor, NoStep) else predictor
