"""The one place where [-1, 1] and 8-bit pixels meet, and where grids of images become PNGs."""

import math
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


def save_grid(images: Tensor, columns: int, path: Path) -> Tensor:
    """Write uint8 images (N, C, H, W) as one PNG and return the grid (C, H', W').

    Small images are enlarged by a whole factor, pixel for pixel, to about 48 pixels a side.
    """
    from torchvision.io import write_png
    from torchvision.utils import make_grid

    scale = max(1, round(48 / images.shape[-1]))
    images = images.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)
    grid = make_grid(images, nrow=columns, padding=1, pad_value=128)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(grid, str(path))
    return grid
