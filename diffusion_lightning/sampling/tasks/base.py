"""What every task shares."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor

from diffusion_lightning.captions import Captions
from diffusion_lightning.errors import UserError, check_at_least
from diffusion_lightning.files import atomic_write
from diffusion_lightning.samples import save_grid, to_stored
from diffusion_lightning.sampling.request import SamplingRequest

ImageRefs = Sequence[int | str]
"""Image files, or numbers of test images."""


class Task(ABC):
    """Draws something with a trained model.

    A new task writes `__call__`; its constructor checks its own options.
    """

    unread: ClassVar[Mapping[str, str]] = {}
    """Options of `sample.py` that would change nothing, and those that the task goes by instead."""

    @abstractmethod
    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """Write files into the folder `out` and return the path of the one to look at."""

    def evaluations(self, request: SamplingRequest) -> int | None:
        """Evaluations of the network in the whole task, known before it starts; None if they are not."""
        return None


def save_rows(rows: Sequence[Tensor], out: Path, captions: Captions | None = None) -> Path:
    """Write rows of samples (B, *) as `grid.png`, with captions, and `samples.npz`."""
    stored = to_stored(torch.cat(list(rows))).cpu()
    save_npz(stored, None, out)
    return save_grid(stored.unflatten(0, (len(rows), -1)), out / "grid.png", captions=captions)


def save_npz(stored: Tensor, labels: Sequence[int] | None, out: Path) -> Path:
    """Write samples as they are stored as `samples.npz`, in the field's evaluation format.

    It holds arr_0, images uint8 (N, H, W, C) or points float32 (N, D), and arr_1 labels (N,), if any.
    """
    arrays = [stored.movedim(1, -1).numpy()]
    if labels is not None:
        arrays.append(np.array(labels, dtype=np.int64))
    path = out / "samples.npz"
    with atomic_write(path, "wb") as file:
        np.savez(file, *arrays)
    return path


def save_figure(figure: Any, path: Path) -> Path:
    """Write a figure of matplotlib's as a PNG, whole or not at all, and return its path."""
    with atomic_write(path, "wb") as file:
        figure.savefig(file, format="png")
    return path


def task_count(name: str, value: object, least: int = 1) -> int:
    """The value, if it is a count that one batch may have; else a UserError that names it."""
    return check_at_least(name, value, least, 10_000)


def check_film(film: str | None, seconds: float) -> None:
    """Refuse what is no name of a film, WebP or GIF, or no duration."""
    if film and (Path(film).name != film or Path(film).suffix not in (".webp", ".gif")):
        raise UserError(f"film is {film!r}; it must be a file name in .webp or .gif, or null.")
    if not 0 < seconds <= 600:
        raise UserError(f"seconds is {seconds}; it must be above 0 and at most 600.")


def image_refs(images: ImageRefs) -> list[int | str]:
    """The list of images, if there are any; else a UserError."""
    if isinstance(images, str | int) or not images:
        raise UserError(f"images is {images!r}; it must list files or numbers of test images, such as [0,1].")
    return list(images)
