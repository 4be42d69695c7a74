"""Guidance scales side by side."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from diffusion_lightning.errors import UserError, naming
from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import Task, save_rows, task_count


class GuidanceSweep(Task):
    """One row per guidance scale w, one column per image; the same noise in every row.

    Args:
        scales: w of each row, in x0 = x0_null + w (x0_y - x0_null).
        columns: images in a row.
    """

    unread: ClassVar = {"num_images": "task.columns", "guidance.scale": "task.scales"}

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
        with naming("task.scales"):
            guidances = [replace(request.sampling.guidance, scale=float(w)) for w in self.scales]
        labelled = next((g for g in guidances if g.uses_labels), guidances[0])
        y = replace(request, sampling=replace(request.sampling, guidance=labelled)).y(self.columns)
        numbers = range(self.columns)
        rows = [request.draw(request.noise(numbers), y, guidance=g) for g in guidances]
        captions = request.captions(
            "Guidance scale w: x0 = x0_null + w (x0_y - x0_null), with one noise per column",
            "guidance",
            rows=[f"w = {w:g}" for w in self.scales],
            columns=request.names(y, self.columns),
        )
        return save_rows(rows, out, captions)
