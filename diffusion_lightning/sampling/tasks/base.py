"""What every task shares."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusion_lightning.errors import check_at_least
from diffusion_lightning.images import save_grid, to_uint8
from diffusion_lightning.sampling.model import Trained

ImageRefs = Sequence[int | str]
"""Image files, or numbers of test images."""


class Task(ABC):
    """Draws something with a trained model."""

    @abstractmethod
    def __call__(self, trained: Trained, out: Path) -> Path:
        """Write files into the folder `out` and return the picture among them."""


def save_rows(rows: Sequence[Tensor], out: Path) -> Path:
    """Write rows of images (B, C, H, W) in [-1, 1] as `grid.png` and `samples.npz`."""
    return save_images(to_uint8(torch.cat(list(rows))).cpu(), None, len(rows[0]), out)


def save_images(pixels: Tensor, labels: Sequence[int] | None, columns: int, out: Path) -> Path:
    """Write uint8 images (N, C, H, W) as `grid.png` and `samples.npz`.

    The latter is the field's evaluation format: arr_0 uint8 (N, H, W, C), arr_1 labels (N,) if any.
    """
    arrays = [pixels.permute(0, 2, 3, 1).numpy()]
    if labels is not None:
        arrays.append(np.array(labels, dtype=np.int64))
    save_grid(pixels, columns, out / "grid.png")
    np.savez(out / "samples.npz", *arrays)
    return out / "grid.png"


def task_count(name: str, value: object, least: int = 1) -> int:
    """The value, if it is a count that one batch may have; else a UserError that names it."""
    return check_at_least(name, value, least, 10_000)


def positions(points: int) -> Tensor:
    """u = 0 … 1 in equal steps, float64 (points,)."""
    return torch.linspace(0, 1, task_count("points", points, 2), dtype=torch.float64)
