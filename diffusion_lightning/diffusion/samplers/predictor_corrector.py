"""Predictor-corrector sampling: any sampler's step, then corrections at the time it arrives at."""

from abc import ABC, abstractmethod
from collections import deque

from torch import Tensor

from diffusion_lightning.diffusion.grids import Grid
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Sampler
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.errors import check_at_least


class Corrector(ABC):
    """Moves images towards the marginal p_s, with one evaluation of the model."""

    @abstractmethod
    def __call__(self, model: SamplingModel, x: Tensor, t: float, s: float, noise: Noise) -> Tensor:
        """x (B, C, H, W) at time s, nearer to a draw from p_s; t is the grid's time before s."""


class NoStep(Sampler):
    """The null predictor: x_s = x_t. With a Langevin corrector, annealed Langevin dynamics."""

    def step(
        self,
        model: SamplingModel,
        prediction: Prediction,
        t: float,
        s: float,
        noise: Noise,
        memory: deque[Prediction],
    ) -> Tensor:
        """x_t."""
        return prediction.x_t


class PredictorCorrector(Sampler):
    """A predictor from t to s, then n corrections at s.

    Each step costs the predictor's evaluations and n more. The first time, where x is drawn exactly,
    is not corrected; the walk ends with the predicted x0, which is the final denoising.

    Source: Song et al. 2021 (Score-Based Generative Modeling through SDEs), algorithms 1 to 5.

    Args:
        predictor: its step is taken; where and how often is this sampler's affair.
        corrector: applied after each step.
        n_corrections: n; 0 leaves the predictor alone.
        steps: number of grid times; None is all T.
        grid: where the times lie.
    """

    def __init__(
        self,
        predictor: Sampler,
        corrector: Corrector,
        n_corrections: int = 1,
        steps: int | None = None,
        grid: Grid | None = None,
    ) -> None:
        super().__init__(steps, grid)
        self.predictor = predictor
        self.corrector = corrector
        self.n_corrections = check_at_least("n_corrections", n_corrections, 0, 1000)
        self.memory_length = predictor.memory_length
        self.step_evaluations = predictor.step_evaluations + n_corrections

    def step(
        self,
        model: SamplingModel,
        prediction: Prediction,
        t: float,
        s: float,
        noise: Noise,
        memory: deque[Prediction],
    ) -> Tensor:
        """The predictor's x_s, corrected n times."""
        x_s = self.predictor.step(model, prediction, t, s, noise, memory)
        for _ in range(self.n_corrections):
            x_s = self.corrector(model, x_s, t, s, noise)
        return x_s
