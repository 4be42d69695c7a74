"""Predictor-corrector sampling: any sampler's step, then corrections at the time it arrives at."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Earlier, Sampler
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.shapes import Samples
from diffusion_lightning.errors import check_at_least


class Corrector(ABC):
    """Moves samples towards the marginal p_s, with one evaluation of the model."""

    @abstractmethod
    def __call__(self, model: SamplingModel, x: Samples, t: Level, s: Level, noise: Noise) -> Samples:
        """x (B, *) at level s, nearer to a draw from p_s; t is the grid's level before s."""


class NoStep(Sampler):
    """The null predictor: x_s = x_t. With a Langevin corrector, annealed Langevin dynamics."""

    def step(self, model: SamplingModel, p: Prediction, s: Level, noise: Noise, earlier: Earlier) -> Samples:
        """x_t."""
        return p.x_t


@dataclass(frozen=True, kw_only=True)
class PredictorCorrector(Sampler):
    """A predictor from t to s, then n corrections at s.

    Each step costs the predictor's evaluations and n more. The first time, where x is drawn exactly,
    is not corrected. The walk ends with the predicted x0, which is the final denoising.

    Source: Song et al. 2021 (Score-Based Generative Modeling through SDEs, arXiv 2011.13456), algorithms
    1 to 5.

    Args:
        predictor: its step is taken, on this sampler's steps and grid.
        corrector: applied after each step.
        n_corrections: n; 0 leaves the predictor alone.
        steps: number of grid times; None is all T.
        grid: where the times lie.

    Raises:
        UserError: if n is not an integer from 0 to 1000.
    """

    predictor: Sampler
    corrector: Corrector
    n_corrections: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("n_corrections", self.n_corrections, 0, 1000)

    @property
    def memory_length(self) -> int:
        """The predictor's."""
        return self.predictor.memory_length

    @property
    def step_evaluations(self) -> int:
        """The predictor's, and one per correction."""
        return self.predictor.step_evaluations + self.n_corrections

    def step(self, model: SamplingModel, p: Prediction, s: Level, noise: Noise, earlier: Earlier) -> Samples:
        """The predictor's x_s, corrected n times."""
        x_s = self.predictor.step(model, p, s, noise, earlier)
        for _ in range(self.n_corrections):
            x_s = self.corrector(model, x_s, p.level, s, noise)
        return x_s
