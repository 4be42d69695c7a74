"""The one sampling loop."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch

from diffusion_lightning.diffusion.grids import Grid, Uniform, times_of
from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.schedules import Schedule
from diffusion_lightning.diffusion.shapes import Samples
from diffusion_lightning.errors import UserError, check_at_least

WalkCallback = Callable[[int, float, Prediction], None]
"""Called as callback(i, t, prediction) at each time of the grid, i = 0 … N - 1."""

Earlier = Sequence[Prediction]
"""The predictions before the present one, newest last."""


@dataclass(frozen=True)
class Sampler(ABC):
    """A plain config object: no model, no device and no state between calls.

    A new sampler is a frozen dataclass that writes `step`. The loop looks at the samples once at each
    time of the grid, hands that prediction to `step`, and ends with the x0 predicted at t_1, so that no
    step has to know whether it is the last.

    Args:
        steps: number of grid times N; None is every timestep of the schedule, N = T. A grid of given `Times`
            takes these instead.
        grid: where the times lie.

    Raises:
        UserError: if steps is not an integer of at least 1.
    """

    steps: int | None = None
    grid: Grid = field(default=Uniform(), kw_only=True)

    def __post_init__(self) -> None:
        if self.steps is not None:
            check_at_least("steps", self.steps)

    @property
    def memory_length(self) -> int:
        """How many earlier predictions `step` is handed (multistep solvers)."""
        return 0

    @property
    def step_evaluations(self) -> int:
        """How often `step` itself evaluates the model."""
        return 0

    def evaluations(self, steps: int) -> int:
        """Evaluations of the model in a walk over N = `steps` times."""
        return steps + (steps - 1) * self.step_evaluations

    def times(self, schedule: Schedule, t_start: float = 1.0) -> list[float]:
        """The times of a walk from t_start; mostly `steps` of them."""
        return times_of(self.grid, schedule, self.steps or schedule.T, t_start)

    @torch.no_grad()
    def __call__(
        self,
        model: SamplingModel,
        x: Samples,
        *,
        t_start: float = 1.0,
        noise: Noise | None = None,
        callback: WalkCallback | None = None,
    ) -> Samples:
        """Walk from x (B, *) at t_start down to clean samples (B, *).

        Args:
            model: predicts x0 at (x_t, t).
            x: noisy samples at t_start; standard normal noise for t_start = 1.
            t_start: where the walk begins, in (0, 1].
            noise: source of the stochastic steps' noise; torch's global generator unless given.
            callback: sees every prediction at a time of the grid.

        Raises:
            UserError: if x is not a batch, or t_start is not in (0, 1].
            NotFinite: if x_t or x0 overflows on the way; the message names the step.
        """
        if x.ndim < 2:
            raise UserError(f"x is {tuple(x.shape)}; it must be a batch (B, *), such as images (B, C, H, W).")
        noise = noise or (lambda: torch.randn_like(x))
        callback = callback or (lambda i, t, prediction: None)
        times = self.times(model.schedule, t_start)
        levels = model.schedule.levels(times)
        earlier: deque[Prediction] = deque(maxlen=self.memory_length)
        p = model(x, levels[0])
        for i, s in enumerate(levels[1:]):
            model.finite.check(type(self).__name__, times)
            callback(i, p.level.t, p)
            x_s = self.step(model, p, s, noise, earlier)
            earlier.append(p)
            p = model(x_s, s)
        model.finite.see(p.level.t, image=p.x0)  # which a clamp may have spoilt
        model.finite.check(type(self).__name__, times, last=True)
        callback(len(levels) - 1, p.level.t, p)
        return p.x0

    @abstractmethod
    def step(self, model: SamplingModel, p: Prediction, s: Level, noise: Noise, earlier: Earlier) -> Samples:
        """x_s (B, *) at the next time s < t.

        Args:
            model: for its schedule, and for further evaluations between t and s.
            p: the prediction at x_t; `p.level` is its noise level.
            s: the next noise level, 1 ≥ t > s.t > 0.
            noise: called once for each draw of standard normal noise.
            earlier: the `memory_length` predictions before this one, newest last; fewer at first.
        """
