"""The one place where [-1, 1] and 8-bit pixels meet, and where images become files."""

import base64
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import pad

from diffusion_lightning.captions import Captions, captioned
from diffusion_lightning.errors import NotFinite, UserError, check_at_least
from diffusion_lightning.files import atomic_write

if TYPE_CHECKING:
    from PIL import Image

GREY = 128
"""The level of the lines between images."""


def from_uint8(x: Tensor) -> Tensor:
    """8-bit pixels as float32 in [-1, 1]."""
    return x.float() / 127.5 - 1


def to_uint8(x: Tensor) -> Tensor:
    """Images in [-1, 1] as 8-bit pixels, rounded to the nearest level; values outside are clipped.

    Raises:
        UserError: if the images are not floating point.
        NotFinite: if they hold NaN or infinity, for which there is no pixel.
    """
    if not x.is_floating_point():
        raise UserError(f"the images are {x.dtype}; they must be floating point in [-1, 1], or uint8.")
    if not x.isfinite().all():
        bad = int(x.isfinite().logical_not().sum())
        raise NotFinite(f"{bad} of the images' {x.numel()} values are NaN or infinite, and so are no pixels.")
    return ((x + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def height_and_width(image_size: int | Sequence[int]) -> tuple[int, int]:
    """(H, W) of an image size, which is the side of a square or [H, W].

    Raises:
        UserError: if it is neither.
    """
    sides = list(image_size) if isinstance(image_size, Sequence) else [image_size] * 2
    if len(sides) != 2 or not all(isinstance(side, int) for side in sides):
        raise UserError(f"image_size is {image_size}; it must be one side, or [height,width].")
    return sides[0], sides[1]


def data_uri(content: bytes, kind: str = "png") -> str:
    """The address of a picture whose file is part of it.

    Args:
        content: of the file.
        kind: png or jpeg.
    """
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def is_narrow(low: float, high: float, black: float, white: float) -> bool:
    """Whether values from low to high use at most half of the range from black to white."""
    return high - low <= (white - black) / 2


def grid_columns(num_images: int, num_labels: int = 0) -> int:
    """Columns of a grid that is about square; a multiple of num_labels where that fits.

    With images in the order label 0, label 1, …, label 0, …, each column then shows one class.
    """
    side = math.ceil(math.sqrt(num_images))
    if 0 < num_labels <= 2 * side:
        return num_labels * max(1, round(side / num_labels))
    return side


def enlarged(images: Tensor, side: int) -> Tensor:
    """Images (N, C, H, W), pixel by pixel, enlarged by the whole factor that makes `side` about 48 pixels."""
    scale = max(1, round(48 / side))
    return images.repeat_interleave(scale, dim=2).repeat_interleave(scale, dim=3)


def tiled(pixels: Tensor, columns: int) -> Tensor:
    """uint8 images (N, C, H, W) as one, (3, H', W'): in rows, with grey lines around each if N > 1.

    It is torchvision's `make_grid`, whose import takes as long as torch's.
    """
    n, _, height, width = pixels.shape
    if n == 1:
        return pixels[0].expand(3, -1, -1)
    columns = min(columns, n)
    rows = math.ceil(n / columns)
    cells = torch.full((rows * columns, 3, height + 1, width + 1), GREY, dtype=torch.uint8)
    cells[:n, :, 1:, 1:] = pixels
    by_place = cells.unflatten(0, (rows, columns)).permute(2, 0, 3, 1, 4)
    return pad(by_place.flatten(3, 4).flatten(1, 2), (0, 1, 0, 1), value=GREY)


def image_grid(images: Tensor, columns: int | None = None, captions: Captions | None = None) -> Tensor:
    """One image (C, H', W') of many, enlarged, with grey lines between them; uint8 on the CPU.

    Args:
        images: (N, C, H, W), or rows of images (R, N, C, H, W); uint8, or floating point in [-1, 1].
        columns: images per row; the N of rows of images, or about square, unless given.
        captions: the texts around the grid; None for none.

    Raises:
        UserError: if there are no images, or they are neither grey nor RGB.
    """
    if images.ndim == 5:
        columns = columns or images.shape[1]
        images = images.flatten(0, 1)
    if images.ndim != 4 or len(images) == 0 or images.shape[1] not in (1, 3):
        raise UserError(
            f"the images are {tuple(images.shape)}; a grid is made of images (N, C, H, W) with C = 1 or 3, "
            "or of rows of them (R, N, C, H, W)."
        )
    columns = grid_columns(len(images)) if columns is None else check_at_least("columns", columns)
    pixels = (images if images.dtype == torch.uint8 else to_uint8(images)).cpu()
    grid = tiled(enlarged(pixels, max(pixels.shape[-2:])), columns)
    if captions is None:
        return grid
    return captioned(grid, captions, math.ceil(len(pixels) / columns), min(columns, len(pixels)))


def save_png(image: Tensor, path: str | Path) -> Path:
    """Write one uint8 image (C, H, W) as a PNG, whole or not at all, and return its path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, "wb") as file:
        pil_image(image).save(file, format="PNG")
    return path


def pil_image(image: Tensor) -> "Image.Image":
    """A uint8 image (C, H, W), grey or RGB, for Pillow."""
    from PIL import Image

    assert image.dtype == torch.uint8, image.dtype
    return Image.fromarray(image.permute(1, 2, 0).squeeze(2).contiguous().numpy())


def save_film(frames: Sequence[Tensor], path: Path, seconds: float) -> None:
    """Write uint8 frames (C, H, W) as an endless film, WebP or GIF by its suffix; the last frame is held."""
    first, *others = (pil_image(frame) for frame in frames)
    # Viewers slow down frames of less than 20 ms
    times = [max(20, round(1000 * seconds / len(frames)))] * len(others) + [1500]
    with atomic_write(path, "wb") as file:
        first.save(file, format=path.suffix[1:], save_all=True, append_images=others, duration=times, loop=0)
