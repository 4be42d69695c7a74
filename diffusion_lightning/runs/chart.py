"""Charts of curves as the numbers that an SVG needs; the template draws them."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from diffusion_lightning.runs.metrics import Curve

WIDTH, HEIGHT = 480, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 470, 10, 212
"""The frame of the curves, in the units of the picture."""

MOST = 200
"""Points of a line; of more, each point is the mean of several, in a band from the least to the largest."""

FEW = 40
"""Points of a line that are drawn as dots too, which tell their values."""

COLOURS = 8
"""Colours of the style sheet."""


@dataclass(frozen=True)
class Line:
    """A curve and how it is drawn.

    Args:
        label: its name in the legend.
        curve: what is drawn.
        colour: its number.
        dashed: whether it is of the other run.
    """

    label: str
    curve: Curve
    colour: int
    dashed: bool = False


@dataclass(frozen=True)
class Tick:
    """A line of the grid: its place and what it says."""

    at: float
    text: str


@dataclass(frozen=True)
class Dot:
    """A point of a line, and what it says."""

    x: float
    y: float
    text: str


@dataclass(frozen=True)
class DrawnLine:
    """A line in the units of the picture.

    Args:
        label, last: its name, and its last value.
        style: classes of the style sheet.
        paths: the `points` of its polylines; it is broken where it is not finite.
        band: the `points` of the polygon from the least to the largest of the points' values.
        dots: its points, if they are few.
    """

    label: str
    last: str
    style: str
    paths: tuple[str, ...]
    band: str
    dots: tuple[Dot, ...]


@dataclass(frozen=True)
class Chart:
    """Curves over the images seen, in a frame.

    Args:
        title: what is drawn.
        summary: the same in words, for those who do not see it.
        lines: the curves.
        x_ticks, y_ticks: the grid.
        log: whether the values stand on a logarithmic axis.
    """

    title: str
    summary: str
    lines: tuple[DrawnLine, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    log: bool


@dataclass(frozen=True)
class Axis:
    """The way from values to places.

    Args:
        low, high: the values at both ends.
        start, end: their places.
        log: whether it is logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __call__(self, value: float) -> float:
        """The place of a value."""
        low, high, value = (math.log10(x) if self.log else x for x in (self.low, self.high, value))
        return round(self.start + (self.end - self.start) * (value - low) / (high - low), 2)

    def ticks(self, write: Callable[[float], str]) -> tuple[Tick, ...]:
        """Lines at round values."""
        values = round_powers(self.low, self.high) if self.log else round_values(self.low, self.high)
        return tuple(Tick(self(value), write(value)) for value in values)


def draw(title: str, lines: Sequence[Line]) -> Chart | None:
    """The chart of these curves; None if there is no finite value.

    The axis is logarithmic if all values are positive and the largest is ten times the least or more.
    """
    lines = [line for line in lines if any(map(math.isfinite, line.curve.values))]
    if not lines:
        return None
    values = [value for line in lines for value in line.curve.values if math.isfinite(value)]
    low, high = min(values), max(values)
    log = 0 < 10 * low <= high
    x = Axis(0, max(max(line.curve.images) for line in lines) or 1, LEFT, RIGHT)
    y = Axis(*_widened(low, high, log), BOTTOM, TOP, log)
    return Chart(
        title,
        f"{title} over the images seen, {short(low)} to {short(high)}: " + "; ".join(map(_in_words, lines)),
        tuple(_drawn(line, x, y) for line in lines),
        x.ticks(counted),
        y.ticks(short),
        log,
    )


def _widened(low: float, high: float, log: bool) -> tuple[float, float]:
    """The values of the axis' ends, beyond the least and the largest value."""
    if log:
        room = (high / low) ** 0.04
        return low / room, high * room
    room = 0.06 * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def _in_words(line: Line) -> str:
    finite = [value for value in line.curve.values if math.isfinite(value)]
    return f"{line.label} from {short(finite[0])} to {short(finite[-1])}"


def _drawn(line: Line, x: Axis, y: Axis) -> DrawnLine:
    points = list(_thinned(line.curve))
    paths = tuple(
        " ".join(f"{x(point.images)},{y(point.mean)}" for point in segment) for segment in _segments(points)
    )
    finite = [point for point in points if math.isfinite(point.mean)]
    few, many = len(finite) <= FEW, len(line.curve.values) > MOST
    edges = [(p.images, p.least) for p in finite] + [(p.images, p.largest) for p in reversed(finite)]
    return DrawnLine(
        line.label,
        short(line.curve.values[-1]),
        f"c{line.colour % COLOURS}{' dashed' if line.dashed else ''}",
        paths,
        " ".join(f"{x(images)},{y(value)}" for images, value in edges) if many else "",
        tuple(
            Dot(x(p.images), y(p.mean), f"{line.label}: {short(p.mean)} after {p.images:,.0f} images")
            for p in (finite if few else ())
        ),
    )


@dataclass(frozen=True)
class _Point:
    images: float
    mean: float
    least: float
    largest: float


def _thinned(curve: Curve) -> Iterator[_Point]:
    """The points of a curve, or of equal parts of it; a part that is nowhere finite is NaN."""
    size = math.ceil(len(curve.values) / MOST)
    for start in range(0, len(curve.values), size):
        part = slice(start, start + size)
        values = [value for value in curve.values[part] if math.isfinite(value)] or [math.nan]
        yield _Point(curve.images[part][-1], math.fsum(values) / len(values), min(values), max(values))


def _segments(points: Sequence[_Point]) -> Iterator[list[_Point]]:
    """Runs of points whose values are finite."""
    segment: list[_Point] = []
    for point in points:
        if math.isfinite(point.mean):
            segment.append(point)
        elif segment:
            yield segment
            segment = []
    if segment:
        yield segment


def round_values(low: float, high: float) -> list[float]:
    """Three to seven multiples of 1, 2 or 5 times a power of ten between two values."""
    power = 10.0 ** math.floor(math.log10((high - low) / 3))
    step = next(power * factor for factor in (5, 2, 1) if power * factor <= (high - low) / 3)
    return [step * i for i in range(math.ceil(low / step), math.floor(high / step) + 1)]


def round_powers(low: float, high: float) -> list[float]:
    """Powers of ten between two positive values, and 2 and 5 times them where these are few."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    factors = (1, 2, 5) if len(powers) <= 4 else (1,)
    every = math.ceil(len(powers) / 8)
    values = (factor * 10.0**power for power in powers[::every] for factor in factors)
    return [value for value in values if low <= value <= high]


def short(value: float) -> str:
    """A value in four digits."""
    return f"{value:.4g}"


def counted(value: float) -> str:
    """A number of images, as 1.5M."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{unit}"
    return f"{value:g}"
