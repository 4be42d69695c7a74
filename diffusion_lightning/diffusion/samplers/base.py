"""The one sampling loop."""

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from diffusion_lightning.diffusion.grids import Grid, Uniform
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.errors import UserError, check_at_least

Callback = Callable[[int, float, Prediction], None]
"""Called as callback(i, t, prediction) at each time of the grid, i = 0 … N - 1."""


class Sampler(ABC):
    """A plain config object: no model, no device and no state between calls.

    A new sampler writes `step`. The loop looks at the image once at each time of the grid, hands
    that prediction to `step`, and ends with the x0 predicted at t_1, so that no step has to know
    whether it is the last.

    Args:
        steps: number of grid times N; None is every timestep of the schedule, N = T.
        grid: where the times lie; uniform unless given.
    """

    memory_length = 0
    """How many earlier predictions `step` is handed (multistep solvers)."""

    step_evaluations = 0
    """How often `step` itself evaluates the model."""

    def __init__(self, steps: int | None = None, grid: Grid | None = None) -> None:
        self.steps = None if steps is None else check_at_least("steps", steps)
        self.grid = grid or Uniform()

    def evaluations(self, steps: int) -> int:
        """Evaluations of the model in a walk over so many times."""
        return steps + (steps - 1) * self.step_evaluations

    @torch.no_grad()
    def __call__(
        self,
        model: SamplingModel,
        x: Tensor,
        *,
        t_start: float = 1.0,
        noise: Noise | None = None,
        callback: Callback | None = None,
    ) -> Tensor:
        """Walk from x (B, C, H, W) at t_start down to clean images (B, C, H, W).

        Args:
            model: predicts x0 at (x_t, t).
            x: noisy images at t_start; standard normal noise for t_start = 1.
            t_start: where the walk begins, in (0, 1].
            noise: source of the stochastic steps' noise; torch's global generator unless given.
            callback: sees every prediction at a time of the grid.

        Raises:
            UserError: if x is not a batch of images, or t_start is not in (0, 1].
        """
        if x.ndim != 4:
            raise UserError(f"the images are {tuple(x.shape)}; they must be (B, C, H, W).")
        noise = noise or (lambda: torch.randn_like(x))
        times = self.grid(model.schedule, self.steps or model.schedule.T, t_start)
        memory: deque[Prediction] = deque(maxlen=self.memory_length)
        prediction = model(x, times[0])
        for i, (t, s) in enumerate(pairwise(times)):
            if callback:
                callback(i, t, prediction)
            x_s = self.step(model, prediction, t, s, noise, memory)
            memory.append(prediction)
            prediction = model(x_s, s)
        if callback:
            callback(len(times) - 1, times[-1], prediction)
        return prediction.x0

    @abstractmethod
    def step(
        self,
        model: SamplingModel,
        prediction: Prediction,
        t: float,
        s: float,
        noise: Noise,
        memory: deque[Prediction],
    ) -> Tensor:
        """x_s (B, C, H, W) at the next time s < t.

        Args:
            model: for schedules, and for further evaluations between t and s.
            prediction: the prediction at (x_t, t).
            t, s: this time and the next, 1 ≥ t > s > 0.
            noise: called once for each draw of standard normal noise.
            memory: the `memory_length` predictions before this one, newest last.
        """
