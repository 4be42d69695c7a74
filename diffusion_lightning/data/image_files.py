"""One image file → 8-bit pixels."""

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from torch import Tensor

from diffusion_lightning.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image


def decode(path: Path, channels: int) -> "Image":
    """The image in the file, upright, in grey (1 channel) or RGB.

    16 bits become 8, transparent pixels become white, and an animation gives its first frame.

    Raises:
        UserError: if the file cannot be decoded, or its image is so large that Pillow refuses it.
    """
    from PIL import Image, ImageOps

    try:
        with warnings.catch_warnings():
            # Large images are welcome; Pillow refuses those that are twice as large as this warning allows
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                image = _opaque(_eight_bits(ImageOps.exif_transpose(opened)))
            return image.convert("L" if channels == 1 else "RGB")
    except Exception as error:  # decoders raise whatever they stumble over in a damaged file
        reason = str(error) or type(error).__name__
        raise UserError(f"{path} cannot be read as an image ({reason}); repair or remove it.") from None


def _eight_bits(image: "Image") -> "Image":
    """The image with 8 bits per channel; Pillow's own conversion would turn all but black into white."""
    from PIL import Image

    if image.mode[0] not in "IF":
        return image
    levels = np.asarray(image)
    if image.mode == "F" or not 0 <= levels.min() <= levels.max() < 2**16:
        raise ValueError(
            f"its pixels are {levels.dtype} from {levels.min()} to {levels.max()}; save it in 8 bits"
        )
    return Image.fromarray((levels / 257).round().astype(np.uint8))


def _opaque(image: "Image") -> "Image":
    """The image on a white background, if it has transparent pixels: their hidden colours are arbitrary."""
    from PIL import Image

    if "A" not in image.getbands() and "transparency" not in image.info:
        return image
    image = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)


def read_image(path: Path, channels: int, size: int) -> Tensor:
    """The image in the file as uint8 (C, size, size): its short side resized, then its centre cropped."""
    from PIL import Image, ImageOps
    from torchvision.transforms.functional import pil_to_tensor

    image = decode(path, channels)
    return pil_to_tensor(ImageOps.fit(image, (size, size), Image.Resampling.LANCZOS))


def read_exact(path: Path, channels: int, size: int) -> Tensor:
    """The image in the file as uint8 (C, size, size), pixel for pixel.

    Raises:
        UserError: if the file cannot be decoded, or is of another size.
    """
    from torchvision.transforms.functional import pil_to_tensor

    image = decode(path, channels)
    if image.size != (size, size):
        width, height = image.size
        raise UserError(
            f"{path} is {width}x{height} pixels, but the model draws {size}x{size}; crop and resize it first."
        )
    return pil_to_tensor(image)
