"""Figures, drawn by matplotlib."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from diffusion_lightning.compat import needs
from diffusion_lightning.images import to_uint8
from diffusion_lightning.points import scatter

LINE = 0.2
"""Height of a line of a title, in inches."""

KEY, LETTER = 0.6, 0.065
"""Widths in a legend of small letters, in inches."""

DASHES = "-", "--", ":", "-."
"""Of lines of one colour."""

HIGHEST = 0.4
"""Height of a row of panels, at most, as a part of its width; its name stands beside it."""


def new_figure(width: float, heights: Sequence[float], title: str = "") -> tuple[Any, list[Any]]:
    """A matplotlib figure that needs no display, and its subfigures one below the other; sizes in inches.

    The title, if any, makes it higher.

    Raises:
        UserError: if matplotlib is not installed.
    """
    Figure = needs("matplotlib.figure", extra="plots").Figure
    lines = len(title.splitlines())
    figure = Figure(figsize=(width, sum(heights) + LINE * lines), dpi=130, layout="constrained")
    if title:
        figure.suptitle(title, fontsize="medium")
    parts = figure.subfigures(len(heights), 1, height_ratios=list(heights), squeeze=False)
    return figure, list(parts[:, 0])


Panels = Mapping[str, Sequence[Tensor]]
"""Name of a row → its panels: strips of images (B, C, H, W) in [-1, 1], or scatters of points (B, D)."""


def panels_height(panels: Panels, width: float) -> float:
    """Height in inches of panels that are drawn at this width."""
    heights = [_size(row[0])[0] / sum(_size(x)[1] for x in row) for row in panels.values()]
    return sum((width - 1.3) * min(height, HIGHEST) + 0.1 for height in heights) + 0.35


def _size(samples: Tensor) -> tuple[int, int]:
    """Height and width of a panel, but for its frame."""
    return (samples.shape[-2], len(samples) * (samples.shape[-1] + 2)) if samples.ndim == 4 else (1, 1)


def draw_panels(part: Any, panels: Panels, titles: Sequence[str] = ("",)) -> None:
    """Draw panels into a subfigure, each row with its name and each column with its title."""
    axes = part.subplots(len(panels), len(titles), squeeze=False)
    for (name, row), line in zip(panels.items(), axes, strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center")
        for images, axis in zip(row, line, strict=True):
            axis.imshow(strip(images), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
    for title, axis in zip(titles, axes[0], strict=True):
        axis.set_title(title, fontsize="medium")


def strip(images: Tensor) -> Any:
    """Images (B, C, H, W) in [-1, 1] on white: uint8 (H, W', 3) or (H, W'); points (B, D) in a scatter."""
    if images.ndim < 4:
        return scatter(images).permute(1, 2, 0).numpy()
    pixels = torch.nn.functional.pad(to_uint8(images).cpu(), (1, 1), value=255)
    return torch.cat(list(pixels), dim=-1).permute(1, 2, 0).squeeze(-1).numpy()


def draw_lines(axis: Any, rows: Sequence[Mapping[str, Any]], x: str, y: str, settings: Sequence[str]) -> None:
    """Draw column y against column x: one line per setting, named by the options that vary.

    Where several vary, the last one is told by the dashes, and the colour tells all others.
    """
    varied = [name for name in settings if len({row[name] for row in rows}) > 1]
    coloured, dashed = (varied[:-1], varied[-1:]) if len(varied) > 1 else (varied, [])
    lines: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for row in rows:
        setting = _named(coloured, row), _named(dashed, row)
        lines.setdefault(setting, []).append((row[x], row[y]))
    colours = list(dict.fromkeys(colour for colour, _ in lines))
    dashes = list(dict.fromkeys(dash for _, dash in lines))
    for (colour, dash), points in lines.items():
        axis.plot(
            *zip(*sorted(points), strict=True),
            color=f"C{colours.index(colour)}",
            ls=DASHES[dashes.index(dash) % len(DASHES)],
            marker="o",
            markersize=4,
            label=", ".join(filter(None, (colour, dash))),
        )
    axis.set(xlabel=x, ylabel=y)
    axis.grid(alpha=0.3)


def legend_below(part: Any) -> None:
    """Name each line once, below all axes of a subfigure; the figure becomes higher by as much."""
    named = [axis.get_legend_handles_labels() for axis in part.axes]
    lines = {label: line for lines, labels in named for line, label in zip(lines, labels, strict=True)}
    if not lines:
        return
    figure = part.figure.figure
    columns = max(1, int(figure.get_figwidth() / (KEY + LETTER * max(map(len, lines)))))
    figure.set_figheight(figure.get_figheight() + LINE * math.ceil(len(lines) / columns))
    part.legend(
        list(lines.values()),
        list(lines),
        loc="outside lower center",
        ncols=columns,
        fontsize="x-small",
        handlelength=4,
        frameon=False,
    )


def _named(options: Sequence[str], row: Mapping[str, Any]) -> str:
    """`sampler=ddim, eta=1`: the options' values in a row, without the groups of their names."""
    return ", ".join(_short(name, row[name]) for name in options)


def _short(name: str, value: Any) -> str:
    """`sampler=ddim`, and `eta=1` for sampler.eta=1.0."""
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{name.rpartition('.')[2]}={text}"
