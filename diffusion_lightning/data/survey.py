"""What a set of images is like: remarks on what training would take as it is, without a word."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.data.image_files import (
    Range,
    deep_colours,
    has_deep_colours,
    is_deep,
    is_transparent,
    opened,
)
from diffusion_lightning.errors import UserError
from diffusion_lightning.images import is_narrow

SURVEYED = 100
"""Images that stand for a whole set, spread evenly over it."""

COLOURED = 8
"""Levels of 255 between the channels of a pixel that has a colour; a compressed grey one has fewer."""


class Stored(NamedTuple):
    """What a file holds, before it becomes 8-bit pixels."""

    depth: str
    low: float
    high: float
    white: float
    coloured: bool
    transparent: bool
    frames: int


def spread(number: int) -> list[int]:
    """The numbers of the images that stand for a set of this many."""
    return torch.linspace(0, number - 1, min(number, SURVEYED)).long().tolist() if number else []


def stored(path: Path) -> Stored:
    """What the file holds.

    Raises:
        UserError: if it cannot be read.
    """
    with opened(path) as image:
        image.draft("RGB", (256, 256))  # of a large JPEG, a small one is enough
        others = is_transparent(image), getattr(image, "n_frames", 1)
        if is_deep(image):
            grey = np.asarray(image)
            low, high = float(grey.min()), float(grey.max())
            known = image.mode != "F" and 0 <= low <= high <= 65535
            depth, white = ("16-bit", 65535.0) if known else (str(grey.dtype), high)
            return Stored(depth, low, high, white, False, *others)
        depth, white = ("16-bit", 65535.0) if has_deep_colours(image) else ("8-bit", 255.0)
        levels = deep_colours(image, path) if depth == "16-bit" and image.format == "PNG" else None
        seen = np.asarray(image.convert("RGB")).astype(np.int32)
        coloured = bool((np.ptp(seen, axis=-1) > COLOURED * seen.max() / 255).any())
        if levels is None:
            levels = seen * round(white / 255)  # the upper bits are all that Pillow gives
        elif levels.shape[-1] in (2, 4):
            levels = levels[..., :-1]
        return Stored(depth, float(levels.min()), float(levels.max()), white, coloured, *others)


def remarks_on_files(files: Sequence[Path], channels: int, value_range: Range | None) -> Iterator[str]:
    """Remarks on image files: on the range of their values, on their colours, and on what is left of them.

    Files that cannot be read are not remarked on.
    """
    found: list[Stored] = []
    for i in spread(len(files)):
        try:
            found.append(stored(files[i]))
        except UserError:
            continue
    n = len(found)
    for depth in sorted({image.depth for image in found}):
        alike = [image for image in found if image.depth == depth]
        yield from _of_range(alike, value_range)
    if n and channels == 1 and (coloured := sum(image.coloured for image in found)):
        yield f"{coloured} of {n} images have colours, which dataset.image_channels=1 turns into grey"
    if n and channels == 3 and not any(image.coloured for image in found):
        yield f"all of {n} images are grey; dataset.image_channels=1 would do"
    if transparent := sum(image.transparent for image in found):
        yield f"{transparent} of {n} images have transparent pixels, which become white"
    if animated := sum(image.frames > 1 for image in found):
        yield f"{animated} of {n} files hold several images, of which the first is taken"


def remarks_on_pixels(images: ImageSet) -> Iterator[str]:
    """Remarks on 8-bit images: on the range of their values."""
    pixels = images[torch.tensor(spread(len(images)))][0]
    low, high = int(pixels.min()), int(pixels.max())
    if is_narrow(low, high, 0, 255):
        yield f"the values of {len(pixels)} images go from {low} to {high} only; black is 0 and white 255"


def _of_range(images: Sequence[Stored], value_range: Range | None) -> Iterator[str]:
    """Remarks on images of one depth."""
    depth, n = images[0].depth, len(images)
    low, high = min(image.low for image in images), max(image.high for image in images)
    typical = float(np.median([image.high for image in images]))
    found = f"the values of {n} {depth} images go from {low:g} to {high:g}"
    if value_range is not None:
        black, white = value_range
        given = f"dataset.value_range=[{black:g},{white:g}]"
        if low < black or high > white:
            yield f"{found}, and {given} cuts what lies outside"
        elif is_narrow(low, high, black, white):
            yield f"{found}, a small part of {given}: they will have little contrast"
        return
    white = images[0].white
    advice = f": dataset.value_range=[{low:g},{high:g}] makes them black and white" if low < high else ""
    if depth not in ("8-bit", "16-bit"):
        yield f"{found}{advice}"
    elif is_narrow(low, high, 0, white):
        yield f"{found} of {white:g}, and will have little contrast{advice}"
    elif typical <= white / 8:
        yield (
            f"{found} of {white:g}, but half of them reach no more than {typical:g}, and will be dark: "
            "dataset.value_range=[<black>,<white>] says what is black and white"
        )
