"""Points of the plane as a picture, drawn with Pillow."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from diffusion_lightning.captions import Captions, captioned, text_image
from diffusion_lightning.errors import UserError

SIDE = 300
"""Height and width of a panel, in pixels."""

WALK = 2.2
"""The extent of a picture of x_t: all data within [-1, 1], and all but the outermost noise."""

FINER = 3
"""How much larger a panel is drawn before it is reduced, for smooth discs."""

COLOURS = (
    *("#3b6fb6", "#d9622b", "#3a9a5c", "#b4343a", "#7d5ab5"),
    *("#8a6149", "#d27bb0", "#6f6f6f", "#a8a132", "#35a7b8"),
)
"""Colours of the classes, in turn."""

MOST_NAMED = 20
"""Texts that the colours of one picture may stand for."""


def scatter(
    points: Tensor,
    columns: int | None = None,
    captions: Captions | None = None,
    extent: float | None = None,
    paths: Tensor | None = None,
) -> Tensor:
    """Panels of points side by side, x to the right and y upwards, on white: uint8 (3, H', W').

    Points of one text, which their captions name, have one colour.

    Args:
        points: (N, D), of which the first two coordinates are shown, or one panel per row, (R, N, D).
        columns: of the captions, which name the points in turn; N unless given.
        captions: its title stands above everything and its rows above the panels.
        extent: the panels show [-extent, extent]; as far as nearly all points go, unless given. A point
            outside is not shown.
        paths: where the first points of each panel were before, (T, M, 2): lines beneath them.

    Raises:
        UserError: if there are no points of a plane.
    """
    if points.ndim not in (2, 3) or points.numel() == 0 or points.shape[-1] < 2:
        raise UserError(f"the points are {tuple(points.shape)}; a picture is made of points (N, 2).")
    panels = (points if points.ndim == 3 else points[None])[..., :2].cpu().double()
    extent = extent or reach(panels)
    named = captions.of_each(panels.shape[1], columns or panels.shape[1]) if captions else []
    colours = _colours(named)
    inks = [colours.get(name, COLOURS[0]) for name in named or [""] * panels.shape[1]]
    lines = panels.new_zeros(0, 0, 2) if paths is None else paths.cpu().double()
    grid = _tensor(np.concatenate([_panel(panel, inks, extent, lines) for panel in panels], axis=1))
    if captions is None:
        return grid
    image = captioned(grid, Captions(captions.title, columns=captions.rows), rows=1, columns=len(panels))
    return torch.cat([image, _legend(colours, image.shape[1])], dim=2) if colours else image


def reach(points: Tensor) -> float:
    """How far nearly all points (…, 2) go from the origin along an axis, at least 1.1."""
    far = points.abs().flatten().nan_to_num(posinf=0, neginf=0)
    return max(1.1, 1.05 * float(far.kthvalue(max(1, round(0.998 * len(far)))).values))


def _colours(names: Sequence[str]) -> dict[str, str]:
    """Text → colour; none if there is but one text, or too many."""
    distinct = list(dict.fromkeys(name for name in names if name))
    if not 1 < len(distinct) <= MOST_NAMED:
        return {}
    return {name: COLOURS[i % len(COLOURS)] for i, name in enumerate(distinct)}


def _panel(points: Tensor, inks: Sequence[str], extent: float, paths: Tensor) -> np.ndarray[Any, Any]:
    """One panel of points (N, 2) on paths (T, M, 2), uint8 (SIDE, SIDE, 3)."""
    from PIL import Image, ImageDraw

    side = SIDE * FINER
    canvas = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, 0, side - 1, side - 1), outline="#808080", width=FINER)
    radius = FINER * min(3.5, max(0.9, 45 / len(points) ** 0.5))

    def places(x: Tensor) -> list[Any]:
        return ((1 + x * x.new_tensor([1, -1]) / extent) * side / 2).tolist()

    for path, ink in zip(places(paths.transpose(0, 1)), inks, strict=False):
        draw.line([tuple(place) for place in path], ink, FINER)
    for (a, b), ink in zip(places(points), inks, strict=True):
        draw.ellipse((a - radius, b - radius, a + radius, b + radius), ink)
    return np.array(canvas.reduce(FINER))


def _legend(colours: Mapping[str, str], height: int) -> Tensor:
    """The names in their colours, beside the panels, uint8 (3, height, W)."""
    from PIL import Image

    texts = [text_image(name, ink=ink) for name, ink in colours.items()]
    canvas = Image.new("RGB", (max(text.width for text in texts) + 8, height), "white")
    top = max(0, height - SIDE)
    for text in texts:
        canvas.paste(text, (6, top))
        top += text.height
    return _tensor(np.array(canvas))


def _tensor(pixels: np.ndarray[Any, Any]) -> Tensor:
    """Pixels (H, W, 3) as (3, H, W)."""
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()
