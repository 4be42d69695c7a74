"""From one class to the next."""

from pathlib import Path

from diffusion_lightning.diffusion.interpolation import LabelMorph
from diffusion_lightning.errors import UserError
from diffusion_lightning.sampling.model import Trained
from diffusion_lightning.sampling.tasks.base import Task, positions, save_rows, task_count


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
        guidance = LabelMorph(trained.sampling.guidance, end, self.u.repeat(self.rows))
        sweep = trained.draw(trained.noise(row), start, guidance=guidance)
        return save_rows(sweep.split(len(self.u)), out)
