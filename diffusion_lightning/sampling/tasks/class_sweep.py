"""From one class to the next."""

from itertools import pairwise
from pathlib import Path
from typing import ClassVar

import torch

from diffusion_lightning.diffusion.interpolation import morph
from diffusion_lightning.errors import UserError
from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import Task, save_rows, task_count


class ClassSweep(Task):
    """One row per pair of classes, from one (left) to the next of `labels` (right), with one noise per row.

    Args:
        rows: pairs: (labels[0], labels[1]), (labels[1], labels[2]), …
        points: images in a row, the ends included.
    """

    unread: ClassVar = {"num_images": "task.rows"}

    def __init__(self, rows: int = 5, points: int = 9) -> None:
        self.rows = task_count("rows", rows)
        self.points = task_count("points", points, 2)

    def evaluations(self, request: SamplingRequest) -> int:
        """One walk."""
        return request.evaluations

    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """Draw all rows in one walk."""
        y = request.y(self.rows + 1)
        if y is None:
            raise UserError(
                "a class_sweep needs a model that draws classes: the guidance scale must be above 0."
            )
        u = torch.linspace(0, 1, self.points, dtype=torch.float64).repeat(self.rows)
        row = [i for i in range(self.rows) for _ in range(self.points)]
        start, end = y[row], y[[i + 1 for i in row]]
        guidance = morph(request.sampling.guidance, start, end, u)
        sweep = request.draw(request.noise(row), start, guidance=guidance)
        names = request.names(y, self.rows + 1)
        captions = request.captions(
            "From one class to the next: x0 = (1 - u) x0_left + u x0_right, with one noise per row",
            rows=[f"{a} to {b}" for a, b in pairwise(names)],
            columns=[f"u={x:.3g}" for x in u[: self.points].tolist()],
        )
        return save_rows(sweep.split(self.points), out, captions)
