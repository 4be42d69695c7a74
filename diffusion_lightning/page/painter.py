"""A picture that can be painted on, at the model's own resolution; `painter.js` moves the brush."""

from collections.abc import Sequence

from torch import Tensor

from diffusion_lightning.images import data_uri
from diffusion_lightning.page.pictures import png
from diffusion_lightning.samples import is_image


def painter(picture: Tensor | None, shape: Sequence[int], hint: str, colours: bool = False) -> str:
    """HTML of a canvas of the model's size above a picture (C, H, W); none for a model of points.

    Args:
        picture: what is painted on; None is black.
        shape: of the model's samples.
        hint: what to do.
        colours: whether a colour is chosen; else the brush marks what it covers.
    """
    if not is_image(shape):
        return '<div class="painter"><p>This model draws points; choose one that draws images.</p></div>'
    _, height, width = shape
    below = "" if picture is None else f'<img src="{data_uri(png(picture))}" alt="the picture">'
    colour = '<label>colour <input type="color" value="#ffffff"></label>' if colours else ""
    brush = max(2, round(min(height, width) / 9))
    return (
        f'<div class="painter{"" if colours else " marks"}"><p>{hint}</p>'
        f'<div class="board" style="aspect-ratio: {width}/{height}">{below}'
        f'<canvas width="{width}" height="{height}" aria-label="{hint}"></canvas></div>'
        f'<p class="brush"><label>brush <input type="range" min="1" max="{3 * brush}" value="{brush}">'
        f'</label> {colour} <label><input type="checkbox"> erase</label> '
        '<button type="button" data-clear>Clear</button></p></div>'
    )


def with_canvas(tab: str) -> str:
    """JavaScript that hands what was painted to the server, in place of the first input but one."""
    canvas = f"document.querySelector('#{tab}-painter canvas')"
    return f"(...a) => {{ a[1] = {canvas}?.toDataURL('image/png') ?? ''; return a }}"
