"""Learning-rate schedules: the factor of the learning rate over a run, after the warm-up."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

from diffusion_lightning.errors import check_fraction


class LearningRateSchedule(ABC):
    """A function of progress: the fraction of the run's optimizer steps that are done, in [0, 1]."""

    needs_length = True
    """Whether the run must have a last step (trainer.max_epochs or trainer.max_steps)."""

    @abstractmethod
    def __call__(self, progress: float) -> float:
        """The factor of the learning rate, in [0, 1]."""


@dataclass(frozen=True)
class Constant(LearningRateSchedule):
    """The learning rate stays (Ho et al. 2020, DDPM, arXiv 2006.11239, appendix B)."""

    needs_length = False

    def __call__(self, progress: float) -> float:
        """1."""
        return 1.0


@dataclass(frozen=True)
class CosineDecay(LearningRateSchedule):
    """Half a period of a cosine, from 1 to `final` (Loshchilov & Hutter 2017, SGDR, arXiv 1608.03983, eq. 5).

    Args:
        final: the factor at the end, in [0, 1].

    Raises:
        UserError: if final is out of its range.
    """

    final: float = 0.0

    def __post_init__(self) -> None:
        check_fraction("final", self.final)

    def __call__(self, progress: float) -> float:
        """final + (1 - final) (1 + cos(π progress))/2."""
        return self.final + (1 - self.final) * (1 + math.cos(math.pi * progress)) / 2


@dataclass(frozen=True)
class StableDecay(LearningRateSchedule):
    """Constant, then a decay to 0 over the last part of the run: warm-up, stable, decay.

    A checkpoint before the decay starts another run of any length (`init=`). The decay is 1 - √u, with u the
    fraction of the decay that is done.

    Source: Hu et al. 2024 (MiniCPM, arXiv 2404.06395), section 4; Hägele et al. 2024 (Scaling Laws and
    Compute-Optimal Training Beyond Fixed Training Durations, arXiv 2405.18392), eq. 2.

    Args:
        decay: the part of the run that decays, in [0, 1].

    Raises:
        UserError: if decay is out of its range.
    """

    decay: float = 0.2

    def __post_init__(self) -> None:
        check_fraction("decay", self.decay)

    def __call__(self, progress: float) -> float:
        """1, and 1 - √u with u = (progress - (1 - decay))/decay in the last part."""
        begun = progress - (1 - self.decay)
        return 1.0 if begun <= 0 else 1 - math.sqrt(min(1.0, begun / self.decay))
