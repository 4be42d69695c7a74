"""One image file → 8-bit pixels."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from diffusion_lightning.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

Range = Sequence[float]
"""The stored values that are black and white."""

SIXTEEN_BITS = 0, 65535

EXTERNAL = {"EPS"}
"""Formats that Pillow has another program draw: PostScript is code, whatever ending its file has."""

ORIENTATION = 0x0112
"""The EXIF tag."""


def decode(path: Path, channels: int, value_range: Range | None = None) -> "Image":
    """The image in the file, upright, in grey (1 channel) or RGB.

    16 bits become 8, transparent pixels become white, and an animation gives its first frame.

    Args:
        path: the file.
        channels: 1 or 3.
        value_range: the stored values that become 0 and 255; None is the whole range of 8 or 16 bits.

    Raises:
        UserError: if the file cannot be decoded, or its image is so large that Pillow refuses it.
    """
    with opened(path) as image:
        deep = None if value_range is None else deep_colours(image, path)
        if value_range is None:
            seen = _opaque(_eight_bits(upright(image), None))
        elif deep is not None:
            seen = _opaque(upright(_of_colours(deep, value_range), like=image))
        elif is_deep(image):
            seen = _eight_bits(upright(image), value_range)
        else:
            table = scaled(np.arange(256), value_range).tolist()
            grey_or_rgb = _opaque(upright(image)).convert("L" if channels == 1 else "RGB")
            seen = grey_or_rgb.point(table * channels)
        return seen.convert("L" if channels == 1 else "RGB")


@contextmanager
def opened(path: Path) -> "Iterator[Image]":
    """The image of the file, as Pillow opens it; whatever goes wrong inside is about the file.

    Raises:
        UserError: if anything goes wrong.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            # Large images are welcome; Pillow refuses those that are twice as large as this warning allows
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as image:
                if image.format in EXTERNAL:
                    raise ValueError(f"{image.format} is a program; save what it draws as PNG")
                yield image
    except Exception as error:  # decoders raise whatever they stumble over in a damaged file
        reason = str(error) or type(error).__name__
        raise UserError(f"{path} cannot be read as an image ({reason}); repair or remove it.") from None


def is_deep(image: "Image") -> bool:
    """Whether it is one channel of more than 8 bits."""
    return image.mode[0] in "IF"


def deep_colours(image: "Image", path: Path) -> np.ndarray[Any, Any] | None:
    """The levels (H, W, C), alpha included, of a file with 16 bits per colour; None of any other file.

    Pillow would keep the upper 8 bits.

    Raises:
        ValueError: if it is no PNG.
    """
    from torchvision.io import ImageReadMode, decode_image

    if not has_deep_colours(image):
        return None
    if image.format != "PNG":
        raise ValueError("it has 16 bits per colour; save it as PNG, or in 8 bits")
    return decode_image(str(path), ImageReadMode.UNCHANGED).permute(1, 2, 0).numpy()


def has_deep_colours(image: "Image") -> bool:
    """Whether an image that was just opened has several channels of 16 bits."""
    stored = [str(tile[3]) for tile in getattr(image, "tile", ())]
    return not is_deep(image) and any(";16" in mode for mode in stored)


def upright(image: "Image", like: "Image | None" = None) -> "Image":
    """The image as its EXIF orientation says, or that of `like`."""
    from PIL import ImageOps

    if like is not None:
        image.getexif()[ORIENTATION] = like.getexif().get(ORIENTATION, 1)
    return ImageOps.exif_transpose(image)


def scaled(levels: np.ndarray[Any, Any], value_range: Range) -> np.ndarray[Any, Any]:
    """The levels as 8-bit pixels, the range's ends as 0 and 255."""
    black, white = value_range
    return ((levels - black) / ((white - black) / 255)).round().clip(0, 255).astype(np.uint8)


def _eight_bits(image: "Image", value_range: Range | None) -> "Image":
    """The image with 8 bits per channel; Pillow's own conversion would turn all but black into white."""
    from PIL import Image

    if not is_deep(image):
        return image
    levels = np.asarray(image)
    low, high = levels.min(), levels.max()
    unknown = image.mode == "F" or not 0 <= low <= high < 2**16
    if not np.isfinite(levels).all() or (unknown and value_range is None):
        raise ValueError(
            f"its pixels are {levels.dtype} from {low} to {high}; set dataset.value_range=[<black>,<white>], "
            "or save it in 8 bits"
        )
    return Image.fromarray(scaled(levels, value_range or SIXTEEN_BITS))


def _of_colours(levels: np.ndarray[Any, Any], value_range: Range) -> "Image":
    """The 8-bit image of 16-bit levels (H, W, C); alpha has no range of its own."""
    from PIL import Image

    pixels = scaled(levels, value_range)
    if levels.shape[2] in (2, 4):
        pixels[..., -1] = scaled(levels[..., -1], SIXTEEN_BITS)
    return Image.fromarray(pixels.squeeze(-1) if levels.shape[2] == 1 else pixels)


def _opaque(image: "Image") -> "Image":
    """The image on a white background, if it has transparent pixels: their hidden colours are arbitrary."""
    from PIL import Image

    if not is_transparent(image):
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def is_transparent(image: "Image") -> bool:
    """Whether the image says which pixels are transparent."""
    return "A" in image.getbands() or "transparency" in image.info


def read_image(path: Path, channels: int, size: Sequence[int], value_range: Range | None = None) -> Tensor:
    """The image in the file as uint8 (C, H, W): resized until it covers (H, W), then its centre cropped."""
    from torchvision.transforms.functional import pil_to_tensor

    return pil_to_tensor(covering(decode(path, channels, value_range), size))


def covering(image: "Image", size: Sequence[int]) -> "Image":
    """The centre of the image, resized until it covers (H, W)."""
    from PIL import Image, ImageOps

    height, width = size
    return ImageOps.fit(image, (width, height), Image.Resampling.LANCZOS)


def read_exact(path: Path, channels: int, size: Sequence[int], value_range: Range | None = None) -> Tensor:
    """The image in the file as uint8 (C, H, W), pixel for pixel.

    Raises:
        UserError: if the file cannot be decoded, or is of another size.
    """
    from torchvision.transforms.functional import pil_to_tensor

    image, (height, width) = decode(path, channels, value_range), size
    if image.size != (width, height):
        found = "x".join(map(str, image.size))
        raise UserError(
            f"{path} is {found} pixels, but the model draws {width}x{height}; crop and resize it first."
        )
    return pil_to_tensor(image)


def resized(pixels: Tensor, size: Sequence[int]) -> Tensor:
    """uint8 images (N, C, H', W') as (N, C, H, W): resized until they cover (H, W), their centres cropped."""
    from PIL import Image

    channels = pixels.flatten(0, 1).numpy()
    covered = [np.asarray(covering(Image.fromarray(channel), size)) for channel in channels]
    return torch.from_numpy(np.stack(covered)).view(*pixels.shape[:2], *size)
