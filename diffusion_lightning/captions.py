"""Names of rows and columns, and titles, drawn around pictures in the font that Pillow brings along."""

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

SIZE, LINE, GAP = 12, 15, 4
"""Height of the letters, distance of lines, and distance of texts from images, in pixels."""

LONGEST = 240
"""Pixels that the name of a row or column may take; what is longer is cut."""

TITLE = 420
"""Width in pixels to which a title is broken, unless the picture is wider."""

NOTICE = "notice"
"""The entry of a run's config that says what every picture calls the data, if not by their class."""


def data_title(config: Mapping[str, Any]) -> str:
    """What titles and records call the data that a model learned, by the config of its run."""
    return config.get(NOTICE) or config["dataset"].get("_target_", "").rpartition(".")[2]


@dataclass(frozen=True)
class Captions:
    """The texts around a grid of images; each may be left out.

    Args:
        title: above everything.
        columns: one text above each column; all are turned if one does not fit.
        rows: one text left of each row, of one or more lines.
        images: one text below each image, row by row.
    """

    title: str = ""
    columns: Sequence[str] = ()
    rows: Sequence[str] = ()
    images: Sequence[str] = ()

    @classmethod
    def of_images(cls, texts: Sequence[str], columns: int, title: str = "") -> "Captions":
        """One text per image: above a column if all its images have the same, else below each image."""
        by_column = [set(texts[i::columns]) for i in range(min(columns, len(texts)))]
        if all(len(column) == 1 for column in by_column):
            return cls(title, columns=[column.pop() for column in by_column])
        return cls(title, images=texts)

    def of_each(self, num_images: int, columns: int) -> list[str]:
        """The text of each image, row by row: its own, or else its column's; empty for none."""
        if self.images:
            return list(self.images)
        return [self.columns[i % columns] if self.columns else "" for i in range(num_images)]


def drawable(text: str) -> str:
    """The text in letters of the font (ASCII): without accents, other letters as question marks."""
    plain = (c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return "".join(c if c == "\n" or " " <= c <= "~" else "?" for c in plain)


def can_draw(text: str) -> bool:
    """Whether no letter of the text becomes a question mark."""
    return drawable(text).count("?") == text.count("?")


def captioned(grid: Tensor, captions: Captions, rows: int, columns: int) -> Tensor:
    """The grid uint8 (3, H, W) of rows × columns, pixel by pixel, on white among its captions: (3, H', W').

    Captions of images move the rows apart.
    """
    from PIL import Image

    pixels = Image.fromarray(grid.permute(1, 2, 0).contiguous().numpy())
    width, height = pixels.width // columns, pixels.height // rows
    heads = [text_image(text) for text in captions.columns if any(captions.columns)]
    if any(head.width > width - GAP // 2 for head in heads):
        heads = [head.transpose(Image.Transpose.ROTATE_90) for head in heads]
    names = [text_image(text, align="right") for text in captions.rows if any(captions.rows)]
    left = max((name.width + 2 * GAP for name in names), default=0)
    title = text_image(_broken(captions.title, max(TITLE, left + pixels.width)), longest=None)
    above = [title.height, max((head.height for head in heads), default=0)]
    top = sum(height + GAP for height in above if height)
    line = pixels.height - rows * height  # the last line of a grid
    pitch = height + (line + LINE if any(captions.images) else 0)
    canvas_size = max(GAP + title.width, left + pixels.width), top + rows * pitch + line
    canvas = Image.new("RGB", canvas_size, "white")
    canvas.paste(title, (GAP, 0))
    for i, head in enumerate(heads):
        canvas.paste(head, (left + i * width + (width - head.width) // 2, top - GAP // 2 - head.height))
    for i in range(rows):
        strip = pixels.crop((0, i * height, pixels.width, (i + 1) * height + line))
        canvas.paste(strip, (left, top + i * pitch))
    for i, name in enumerate(names):
        canvas.paste(name, (left - GAP - name.width, top + i * pitch + (height - name.height) // 2))
    for i, text in enumerate(captions.images):
        below, (row, column) = text_image(text, width - GAP), divmod(i, columns)
        x = left + column * width + (width - below.width) // 2
        canvas.paste(below, (x, top + row * pitch + height + line))
    return torch.from_numpy(np.array(canvas)).permute(2, 0, 1).contiguous()


@cache
def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(SIZE)


def text_image(text: str, longest: int | None = LONGEST, align: str = "left", ink: str = "black") -> Any:
    """A text on white, an image of Pillow's no wider than `longest` pixels; of no size if it is empty."""
    from PIL import Image, ImageDraw

    lines = [_cut(line, longest) for line in drawable(text).splitlines()]
    width = max((_width(line) for line in lines), default=0)
    image = Image.new("RGB", (width, LINE * len(lines)), "white")
    draw = ImageDraw.Draw(image)
    for i, line in enumerate(lines):
        draw.text((width - _width(line) if align == "right" else 0, i * LINE), line, ink, _font())
    return image


def _width(line: str) -> int:
    return -int(-_font().getlength(line) // 1)


def _cut(line: str, longest: int | None) -> str:
    if longest is None or _width(line) <= longest:
        return line
    while line and _width(f"{line}..") > longest:
        line = line[:-1]
    return f"{line}.."


def _broken(text: str, width: int) -> str:
    """The text with line breaks where it would become wider."""
    lines = []
    for paragraph in text.splitlines():
        lines.append("")
        for word in paragraph.split():
            longer = f"{lines[-1]} {word}".strip()
            if lines[-1] and _width(longer) > width:
                lines.append(word)
            else:
                lines[-1] = longer
    return "\n".join(lines)
