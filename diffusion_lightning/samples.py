"""What a sample is: how it is described, how it is stored, and how it is pictured.

An image (C, H, W) is stored as 8-bit pixels, and shown in a grid. A point (D,) is stored as it is, and shown
in a scatter. Whatever else is done to samples is done to any (B, *); a name such as `num_images` means points
as well.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffusion_lightning.captions import Captions
from diffusion_lightning.errors import NotFinite
from diffusion_lightning.images import from_uint8, height_and_width, image_grid, save_png, to_uint8
from diffusion_lightning.points import scatter


def sample_shape(data: Mapping[str, Any]) -> tuple[int, ...]:
    """The shape of a sample by the config of its data set: (C, H, W) of an image, (D,) of a point."""
    if "dim" in data:
        return (data["dim"],)
    return (data["image_channels"], *height_and_width(data["image_size"]))


def is_image(shape: Sequence[int]) -> bool:
    """Whether a sample of this shape is an image (C, H, W)."""
    return len(shape) == 3


def to_stored(x: Tensor) -> Tensor:
    """Samples (N, *) of a model as they are stored: images as 8-bit pixels, points as float32.

    Raises:
        NotFinite: if they hold NaN or infinity.
    """
    if is_image(x.shape[1:]):
        return to_uint8(x)
    if not x.isfinite().all():
        bad = int(x.isfinite().logical_not().sum())
        raise NotFinite(f"{bad} of the points' {x.numel()} coordinates are NaN or infinite.")
    return x.float()


def from_stored(x: Tensor) -> Tensor:
    """Stored samples (N, *) as a model sees them: 8-bit pixels in [-1, 1], points as they are."""
    return from_uint8(x) if x.dtype == torch.uint8 else x.float()


def picture(samples: Tensor, columns: int | None = None, captions: Captions | None = None) -> Tensor:
    """One image uint8 (C, H', W') of many samples, as stored or as a model draws them.

    Args:
        samples: images (N, C, H, W), or rows of them (R, N, C, H, W), which become a grid; or points (N, D),
            or rows of them (R, N, D), which become one scatter, or one for each row.
        columns: images per row; the N of rows of images, or about square, unless given.
        captions: the texts around the picture; None for none. In a scatter, points of one text have one
            colour.

    Raises:
        UserError: if there are no samples, or images are neither grey nor RGB.
    """
    if samples.ndim < 4:
        return scatter(samples, columns, captions)
    return image_grid(samples, columns, captions)


def save_grid(
    images: Tensor, path: str | Path, columns: int | None = None, captions: Captions | None = None
) -> Path:
    """Write a picture of many samples as one PNG and return its path; its folder is made if it is not there.

    Args:
        images: images (N, C, H, W), or rows of them (R, N, C, H, W), uint8, or floating point in [-1, 1]; or
            points (N, D), or rows of them (R, N, D).
        path: name of the file.
        columns: images per row; the N of rows of images, or about square, unless given.
        captions: the texts around the picture; None for none.

    Raises:
        UserError: if there are no samples, or images are neither grey nor RGB.
    """
    return save_png(picture(images, columns, captions), path)
