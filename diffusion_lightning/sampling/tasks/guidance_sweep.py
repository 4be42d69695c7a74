"""Guidance scales side by side."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from diffusion_lightning.errors import UserError
from diffusion_lightning.sampling.model import Trained
from diffusion_lightning.sampling.tasks.base import Task, save_rows, task_count


class GuidanceSweep(Task):
    """One row a guidance scale w, one column an image.

    Args:
        scales: w of each row.
        columns: images in a row.
    """

    def __init__(self, scales: Sequence[float] = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0), columns: int = 10) -> None:
        if not scales:
            raise UserError("scales is empty; give at least one, such as [1,2,4].")
        self.scales = scales
        self.columns = task_count("columns", columns)

    def __call__(self, trained: Trained, out: Path) -> Path:
        """Draw row by row."""
        y = trained.y(self.columns)
        guidances = [replace(trained.sampling.guidance, scale=float(w)) for w in self.scales]
        noise = range(self.columns)
        return save_rows([trained.draw(trained.noise(noise), y, guidance=g) for g in guidances], out)
