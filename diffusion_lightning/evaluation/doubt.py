"""Figures that mean nothing for the images at hand, or less than they seem: null or a value, with why."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from torch import Tensor

from diffusion_lightning.errors import UserError


class Meaningless(UserError):
    """A figure says nothing about these images, mostly because they are too few; the message says why."""


@dataclass(frozen=True)
class Doubtful:
    """A figure that means nothing for these images (null), or less than it seems, and why."""

    reason: str
    value: float | None = None


Figure = float | Doubtful

T = TypeVar("T")


def judge(figure: Figure) -> Doubtful:
    """The figure as a finite value or null, with the reason; a figure without doubt has an empty one."""
    judged = figure if isinstance(figure, Doubtful) else Doubtful("", float(figure))
    if judged.value is None or math.isfinite(judged.value):
        return judged
    return Doubtful(judged.reason or f"it is {judged.value}, and must be a finite number")


def as_text(figure: Figure) -> str:
    """Four digits of the figure, or `none`."""
    value = judge(figure).value
    return "none" if value is None else f"{value:.4g}"


def figure(compute: Callable[[], T]) -> T | Doubtful:
    """What the function returns; null with the reason, where it finds the figure meaningless."""
    try:
        return compute()
    except Meaningless as error:
        return Doubtful(str(error))


def deviation(values: Tensor, of: str) -> float:
    """Standard deviation √(Σ (x - mean)²/N) of values (N,).

    Args:
        values: at least two.
        of: what one of them is of, such as "part".

    Raises:
        Meaningless: if there is only one.
    """
    if len(values) < 2:
        raise Meaningless(f"one {of} alone has no deviation")
    return float(values.std(correction=0))
