"""Pictures between the page and the model: PNGs in the page's HTML, strokes of its canvas, uploads."""

import base64
import binascii
import io
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor

from diffusion_lightning.errors import UserError
from diffusion_lightning.images import data_uri, pil_image

PNG = data_uri(b"")
"""What the address of an embedded PNG begins with."""

MOST_STROKES = 4_000_000
"""Characters of a canvas."""

MOST_PIXELS = 50_000_000
"""Of an upload, whose file may be small all the same."""


def png(pixels: Tensor) -> bytes:
    """8-bit pixels (C, H, W) as a PNG."""
    content = io.BytesIO()
    pil_image(pixels).save(content, format="PNG", compress_level=1)
    return content.getvalue()


def shown(pixels: Tensor, names: Sequence[str]) -> str:
    """HTML of 8-bit pictures (B, C, H, W), pixel by pixel, each above its name."""
    size = "one" if len(pixels) == 1 else "many"
    figures = [
        f'<figure><img src="{data_uri(png(picture))}" alt="{escape(name)}"><figcaption>{escape(name)}'
        "</figcaption></figure>"
        for picture, name in zip(pixels, names, strict=True)
    ]
    return f'<div class="pictures {size}">{"".join(figures)}</div>'


def strokes(canvas: str, size: Sequence[int]) -> Tensor:
    """What was painted on a canvas of the model's size, uint8 (4, H, W), the last channel its opacity.

    Raises:
        UserError: if it is no such picture.
    """
    from torchvision.transforms.functional import pil_to_tensor

    from diffusion_lightning.data.image_files import opened

    with _file(canvas) as path, _called("the drawing", path), opened(path) as image:
        if image.size != tuple(reversed(size)):
            raise ValueError("it has another size than the model's images")
        return pil_to_tensor(image.convert("RGBA"))


def uploaded(path: str, shape: Sequence[int]) -> Tensor:
    """The image in a file that was uploaded, uint8 (C, H, W), resized and cropped as the model needs it.

    Raises:
        UserError: if the file is no image, or damaged, or has too many pixels.
    """
    from diffusion_lightning.data.image_files import opened, read_image

    channels, *size = shape
    with _called(Path(path).name, Path(path)):
        with opened(Path(path)) as image:
            if image.width * image.height > MOST_PIXELS:
                raise ValueError(f"it has more than {MOST_PIXELS:,} pixels")
        return read_image(Path(path), channels, size)


def painted_over(picture: Tensor, painted: Tensor) -> Tensor:
    """The picture (C, H, W) with strokes (4, H, W) on it, uint8."""
    colours, opacity = painted[:3].float(), painted[3:].float() / 255
    if len(picture) == 1:
        colours = (colours * torch.tensor([0.299, 0.587, 0.114]).view(3, 1, 1)).sum(0, keepdim=True)
    return (opacity * colours + (1 - opacity) * picture).round().to(torch.uint8)


@contextmanager
def _file(canvas: str) -> Iterator[Path]:
    """The PNG of a canvas as a file."""
    if not canvas.startswith(PNG) or len(canvas) > MOST_STROKES:
        raise UserError("the drawing is no PNG of the page; reload the page.")
    try:
        content = base64.b64decode(canvas[len(PNG) :], validate=True)
    except (ValueError, binascii.Error):
        raise UserError("the drawing is damaged; reload the page.") from None
    with TemporaryDirectory() as folder:
        path = Path(folder) / "drawing.png"
        path.write_bytes(content)
        yield path


@contextmanager
def _called(name: str, path: Path) -> Iterator[None]:
    """Errors about the file call it by this name, as its path is the server's own affair."""
    try:
        yield
    except UserError as error:
        raise UserError(str(error).replace(str(path), name)) from None
