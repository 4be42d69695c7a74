"""Guidance scales side by side."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from diffusion_lightning.errors import UserError
from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import Task, save_rows, task_count


class GuidanceSweep(Task):
    """One row per guidance scale w, one column per image; the same noise in every row.

    Args:
        scales: w of each row, in x0 = x0_null + w (x0_y - x0_null).
        columns: images in a row.
    """

    def __init__(self, scales: Sequence[float] = (0.0, 1.0, 2.0, 3.0, 5.0, 8.0), columns: int = 10) -> None:
        if not scales:
            raise UserError("scales is empty; give at least one, such as [1,2,4].")
        self.scales = scales
        self.columns = task_count("columns", columns)

    def evaluations(self, request: SamplingRequest) -> int:
        """A walk per row."""
        return len(self.scales) * request.evaluations

    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """Draw row by row."""
        y, numbers = request.y(self.columns), range(self.columns)
        guidances = [replace(request.sampling.guidance, scale=float(w)) for w in self.scales]
        return save_rows([request.draw(request.noise(numbers), y, guidance=g) for g in guidances], out)
