"""The one place where [-1, 1] and 8-bit pixels meet, and where grids of images become PNGs."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor


def from_uint8(x: Tensor) -> Tensor:
    """8-bit pixels as float32 in [-1, 1]."""
    return x.float() / 127.5 - 1


def to_uint8(x: Tensor) -> Tensor:
    """Images in [-1, 1] as 8-bit pixels, rounded to nearest; what lies outside is cut."""
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def grid_columns(num_images: int, num_labels: int = 0) -> int:
    """Columns of a grid that is about square, a multiple of num_labels where that fits.

    With images in the order label 0, label 1, …, label 0, …, each column then shows one class.
    """
    side = math.ceil(math.sqrt(num_images))
    if 0 < num_labels <= 2 * side:
        return num_labels * max(1, round(side / num_labels))
    return side


def enlarged(images: Tensor, side: int) -> Tensor:
    """Images (N, C, H, W), pixel for pixel, by the whole factor that makes about 48 pixels of `side`."""
    scale = max(1, round(48 / side))
    return images.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)


def save_grid(images: Tensor, columns: int, path: Path) -> Tensor:
    """Write uint8 images (N, C, H, W), enlarged, as one PNG and return the grid (C, H', W')."""
    from torchvision.io import write_png
    from torchvision.utils import make_grid

    grid = make_grid(enlarged(images, images.shape[-1]), nrow=columns, padding=1, pad_value=128)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(grid, str(path))
    return grid


def save_film(frames: Sequence[Tensor], path: Path, seconds: float) -> None:
    """Write uint8 frames (C, H, W) as an endless film, WebP or GIF by the name, the last one held."""
    from torchvision.transforms.functional import to_pil_image

    first, *others = (to_pil_image(frame) for frame in frames)
    # Viewers slow down frames of less than 20 ms.
    times = [max(20, round(1000 * seconds / len(frames)))] * len(others) + [1500]
    first.save(path, save_all=True, append_images=others, duration=times, loop=0)
