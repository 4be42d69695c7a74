"""Predictor-corrector sampling: any sampler's step, then corrections at the time it arrives at."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers.base import Earlier, Sampler
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.shapes import Samples
from diffusion_lightning.errors import UserError, check_at_least


class Corrector(ABC):
    """Moves samples towards the marginal p_s."""

    @abstractmethod
    def __call__(
        self, model: SamplingModel, x: Samples, t: Level, s: Level, noise: Noise, predictor: Sampler
    ) -> Samples:
        """x (B, *) at level s, nearer to a draw from p_s.

        Args:
            model: evaluated `evaluations(predictor)` times.
            x: samples at s.
            t: the grid's level before s.
            s: the level.
            noise: called once for each draw of standard normal noise.
            predictor: what has stepped from t to s.
        """

    def evaluations(self, predictor: Sampler) -> int:
        """Evaluations of the model in one correction."""
        return 1


class NoStep(Sampler):
    """The null predictor: x_s = x_t. With a Langevin corrector, annealed Langevin dynamics."""

    def step(self, model: SamplingModel, p: Prediction, s: Level, noise: Noise, earlier: Earlier) -> Samples:
        """x_t."""
        return p.x_t


@dataclass(frozen=True, kw_only=True)
class PredictorCorrector(Sampler):
    """A predictor from t to s, then n corrections at s.

    Each step costs the predictor's evaluations and those of n corrections. The first time, where x is drawn
    exactly, is not corrected. The walk ends with the predicted x0, which is the final denoising.

    Source: Song et al. 2021 (Score-Based Generative Modeling through SDEs, arXiv 2011.13456), algorithms
    1 to 5.

    Args:
        predictor: its step is taken, on this sampler's steps and grid.
        corrector: applied after each step.
        n_corrections: n; 0 leaves the predictor alone.
        steps: number of grid times; None is all T.
        grid: where the times lie.

    Raises:
        UserError: if n is not an integer from 0 to 1000, or nothing would step.
    """

    predictor: Sampler
    corrector: Corrector
    n_corrections: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        check_at_least("n_corrections", self.n_corrections, 0, 1000)
        if isinstance(self.predictor, NoStep) and self.n_corrections == 0:
            raise UserError("n_corrections is 0, and the predictor NoStep takes no step: nothing would move.")

    @property
    def memory_length(self) -> int:
        """The predictor's."""
        return self.predictor.memory_length

    @property
    def step_evaluations(self) -> int:
        """The predictor's, and those of the corrections."""
        corrections = self.n_corrections * self.corrector.evaluations(self.predictor)
        return self.predictor.step_evaluations + corrections

    def step(self, model: SamplingModel, p: Prediction, s: Level, noise: Noise, earlier: Earlier) -> Samples:
        """The predictor's x_s, corrected n times."""
        x_s = self.predictor.step(model, p, s, noise, earlier)
        for _ in range(self.n_corrections):
            x_s = self.corrector(model, x_s, p.level, s, noise, self.predictor)
        return x_s
