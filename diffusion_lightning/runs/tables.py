"""Tables of a report, and how their cells are written."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diffusion_lightning.runs.chart import short
from diffusion_lightning.runs.run import Run

Named = Mapping[str, Run]
"""What a run is called → the run."""


@dataclass(frozen=True)
class Link:
    """A cell that leads to another place of the page."""

    text: str
    href: str


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its name.

    Args:
        caption: what it shows.
        header: the names of the columns.
        rows: as many cells each.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str | Link, ...], ...]


def side_by_side(caption: str, runs: Named, rows: Mapping[str, Sequence[str]]) -> Table:
    """A column for each run; rows that say nothing of any are left out."""
    return Table(caption, ("", *runs), tuple((name, *cells) for name, cells in rows.items() if any(cells)))


def text(value: Any) -> str:
    """A value of a config as YAML writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def said(node: Any) -> str:
    """An object of a config as Python writes it: `Linear(T=1000)`."""
    if not isinstance(node, dict):
        return "" if node is None else text(node)
    name = str(node.get("_target_", "")).rpartition(".")[2]
    options = (f"{key}={said(value)}" for key, value in node.items() if key[:1] != "_" and value is not None)
    return f"{name}({', '.join(options)})"


def last(run: Run, name: str) -> str:
    """The last value of a metric; empty if there is none."""
    value = run.metrics.last().get(name)
    return "" if value is None else short(value)


def number(cell: str) -> str:
    """A cell of a CSV file, a number in four digits."""
    try:
        value = float(cell)
    except ValueError:
        return cell
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e9 else short(value)
