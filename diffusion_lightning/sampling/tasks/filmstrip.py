"""The walk itself, as a figure and as a film."""

from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from diffusion_lightning.captions import Captions, captioned
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.images import enlarged, save_film, tiled, to_uint8
from diffusion_lightning.points import WALK, scatter
from diffusion_lightning.samples import is_image
from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import Task, check_film, save_rows, task_count


class Filmstrip(Task):
    """Two rows per image, x_t and below it the predicted x0, from t_N (left) to t_1 (right).

    The film shows every step, x_t and x0 side by side, one image below the other.

    Args:
        rows: images.
        frames: columns of the figure, spread over the steps.
        film: name of the film, ending in .webp or .gif; None for none.
        seconds: duration of the film.
    """

    unread: ClassVar = {"num_images": "task.rows"}

    def __init__(
        self, rows: int = 4, frames: int = 11, film: str | None = "film.webp", seconds: float = 4.0
    ) -> None:
        check_film(film, seconds)
        self.rows = task_count("rows", rows)
        self.frames = task_count("frames", frames, 2)
        self.film = film
        self.seconds = seconds

    def evaluations(self, request: SamplingRequest) -> int:
        """One walk."""
        return request.evaluations

    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """Watch one walk."""
        walk: list[tuple[Tensor, Tensor]] = []
        times: list[float] = []

        def watch(i: int, t: float, prediction: Prediction) -> None:
            walk.append((prediction.x_t.cpu(), prediction.x0.cpu()))
            times.append(t)

        y = request.y(self.rows)
        request.draw(request.noise(range(self.rows)), y, callback=watch)
        count = min(self.frames, len(walk))
        shown = torch.linspace(0, len(walk) - 1, count).round().long().tolist()
        x_t, x0 = (torch.stack([walk[i][part] for i in shown], dim=1) for part in (0, 1))
        captions = request.captions(
            "One walk: x_t above, and below it the x0 that the model predicts at t",
            rows=[row for name in request.drawn(range(self.rows), y) for row in (f"{name}: x_t", "x0")],
            columns=[f"t={times[i]:.3g}" for i in shown],
        )
        path = save_rows([row for pair in zip(x_t, x0, strict=True) for row in pair], out, captions)
        if self.film:
            frame = _images if is_image(request.model.shape) else _points
            frames = [frame(both, t, request.captioned) for both, t in zip(walk, times, strict=True)]
            save_film(frames, out / self.film, self.seconds)
        return path


def _images(both: tuple[Tensor, Tensor], t: float, named: bool) -> Tensor:
    """One frame uint8 (C, H', W'): x_t and x0 (B, C, H, W) side by side, one image below the other."""
    pairs = torch.stack(both, dim=1)
    frame = enlarged(tiled(to_uint8(pairs.flatten(0, 1)), columns=2)[None], max(pairs.shape[-2:]))[0]
    captions = Captions(f"t = {t:.3f}", columns=("x_t", "x0"))
    return captioned(frame, captions, len(pairs), columns=2) if named else frame


def _points(both: tuple[Tensor, Tensor], t: float, named: bool) -> Tensor:
    """One frame uint8 (3, H', W'): x_t and x0 (B, D) side by side, all points in each."""
    captions = Captions(f"t = {t:.3f}", rows=("x_t", "x0")) if named else None
    return scatter(torch.stack(both), captions=captions, extent=WALK)
