"""One thing changed along an axis, all noise the same."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from diffusion_lightning.errors import UserError
from diffusion_lightning.interpolation import Morph
from diffusion_lightning.tasks.base import Task, positions, save_rows, task_count
from diffusion_lightning.trained import Trained


class GuidanceSweep(Task):
    """One row a guidance scale w, one column an image.

    Args:
        scales: w of each row.
        columns: images in a row.
    """

    def __init__(self, scales: Sequence[float] = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0), columns: int = 10) -> None:
        if not scales:
            raise UserError("task.scales is empty; give at least one, such as task.scales=[1,2,4].")
        self.scales = scales
        self.columns = task_count("columns", columns)

    def __call__(self, trained: Trained, out: Path) -> Path:
        """Draw row by row."""
        y = trained.y(self.columns)
        guidances = [replace(trained.sampling.guidance, scale=float(w)) for w in self.scales]
        noise = range(self.columns)
        return save_rows([trained.draw(trained.noise(noise), y, guidance=g) for g in guidances], out)


class ClassSweep(Task):
    """One row a pair of classes, from the first (left) to the next of `labels` (right), one noise a row.

    Args:
        rows: pairs: (labels[0], labels[1]), (labels[1], labels[2]), …
        points: images in a row, the ends included.
    """

    def __init__(self, rows: int = 5, points: int = 9) -> None:
        self.rows = task_count("rows", rows)
        self.u = positions(points)

    def __call__(self, trained: Trained, out: Path) -> Path:
        """Draw all rows in one walk."""
        y = trained.y(self.rows + 1)
        if y is None:
            raise UserError("task=class_sweep needs a model that is drawing classes (guidance.scale > 0).")
        row = [i for i in range(self.rows) for _ in self.u]
        start, end = y[row], y[[i + 1 for i in row]]
        guidance = Morph(trained.sampling.guidance, end, self.u.repeat(self.rows))
        sweep = trained.draw(trained.noise(row), start, guidance=guidance)
        return save_rows(sweep.split(len(self.u)), out)
