"""Pictures within a page: data: URIs of a bounded size."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from diffusion_lightning.images import data_uri
from diffusion_lightning.runs.run import Picture

if TYPE_CHECKING:
    from PIL import Image

MOST_BYTES = 400_000
"""A file that is larger is embedded as a smaller JPEG."""

MOST_PIXELS = 1200
"""The larger side of that JPEG."""

SHOWN = 220
"""Pictures of fewer pixels are enlarged, pixel by pixel, to about this width."""


@dataclass(frozen=True)
class Embedded:
    """A picture that needs no other file.

    Args:
        uri: its content; empty if the file cannot be read.
        alt: what it shows.
        caption: the text below it.
        width, height: how large it is shown, in pixels.
        sharp: whether its pixels are enlarged.
    """

    uri: str
    alt: str
    caption: str
    width: int = 0
    height: int = 0
    sharp: bool = False


def grids(pictures: Sequence[Picture]) -> list[Embedded]:
    """A run's grids of samples, each with the time at which it was drawn."""
    return [embedded(picture.path, f"Samples {_when(picture)}", _when(picture)) for picture in pictures]


def spread(pictures: Sequence[Picture], most: int) -> list[Picture]:
    """At most `most` pictures, spread evenly from the first to the last; if only one, the last."""
    if len(pictures) <= most:
        return list(pictures)
    places = [i * (len(pictures) - 1) / (most - 1) for i in range(most)] if most > 1 else [len(pictures) - 1]
    return [pictures[round(place)] for place in places[:most]]


def _when(picture: Picture) -> str:
    after = f"{picture.step:,} steps"
    return after if picture.images_seen is None else f"after {picture.images_seen:,.0f} images, {after}"


def embedded(file: Path, alt: str, caption: str) -> Embedded:
    """The picture of an image file."""
    from PIL import Image

    try:
        content, kind = file.read_bytes(), "png"
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            if image.format != "PNG" or len(content) > MOST_BYTES:
                content, kind = _smaller(image), "jpeg"
            width, height = image.size
    except Exception as error:  # whatever a damaged file makes of the decoder
        return Embedded("", alt, f"{caption}: {file.name} cannot be read ({type(error).__name__})")
    scale = max(1, round(SHOWN / width))
    return Embedded(data_uri(content, kind), alt, caption, scale * width, scale * height, scale > 1)


def _smaller(image: "Image.Image") -> bytes:
    """A JPEG of the picture."""
    image = image.convert("RGB")
    image.thumbnail((MOST_PIXELS, MOST_PIXELS))
    content = io.BytesIO()
    image.save(content, "JPEG", quality=85)
    return content.getvalue()
