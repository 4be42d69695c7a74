"""Figures, by matplotlib, and the tables behind them."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffusion_lightning.errors import UserError
from diffusion_lightning.images import to_uint8


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows of equal keys as CSV."""
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def subplots(rows: int, columns: int, size: tuple[float, float]) -> tuple[Any, Any]:
    """matplotlib's figure and its axes (rows, columns), drawn without a display; size is in inches.

    Raises:
        UserError: if matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise UserError("studies need matplotlib: pip install 'diffusion-lightning[plots]'.") from None
    figure = Figure(figsize=size, dpi=130, layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False)


def save_panels(panels: Mapping[str, Sequence[Tensor]], path: Path, titles: Sequence[str] = ("",)) -> Path:
    """Write one row of panels a name, each a strip of images (B, C, H, W) in [-1, 1], as one PNG."""
    strips = {name: [torch.cat(list(to_uint8(x).cpu()), dim=-1) for x in row] for name, row in panels.items()}
    _, height, width = next(iter(strips.values()))[0].shape
    inches = 9 / len(titles)
    size = 9 + 1.2, (inches * height / width + 0.1) * len(strips) + 0.3
    figure, axes = subplots(len(strips), len(titles), size)
    for (name, row), line in zip(strips.items(), axes, strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for strip, axis in zip(row, line, strict=True):
            axis.imshow(strip.permute(1, 2, 0).squeeze(-1), cmap="gray", vmin=0, vmax=255)
            axis.set(xticks=[], yticks=[])
    for title, axis in zip(titles, axes[0], strict=True):
        axis.set_title(title)
    figure.savefig(path)
    return path
