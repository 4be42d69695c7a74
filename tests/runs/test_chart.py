"""What a chart draws is where the values are."""

import math

import pytest

from diffusion_lightning.runs.chart import (
    BOTTOM,
    LEFT,
    MOST,
    RIGHT,
    TOP,
    Axis,
    Line,
    counted,
    draw,
    round_powers,
    round_values,
)
from diffusion_lightning.runs.metrics import Curve


def points(text):
    return [tuple(map(float, point.split(","))) for point in text.split()]


def one_line(values, images=None):
    images = images or [100 * (i + 1) for i in range(len(values))]
    return draw("Loss", [Line("loss", Curve(tuple(images), tuple(values)), 0)])


def value_at(chart, y):
    """The value at a place, from two lines of the grid alone."""
    (a, b), undo = chart.y_ticks[:2], (lambda x: 10**x) if chart.log else (lambda x: x)
    do = math.log10 if chart.log else (lambda x: x)
    low, high = do(float(a.text)), do(float(b.text))
    return undo(low + (high - low) * (y - a.at) / (b.at - a.at))


@pytest.mark.parametrize("values", [(3.0, 2.0, 2.5), (1000.0, 10.0, 0.1), (-1.0, 0.0, 4.0), (5.0, 5.0)])
def test_points_are_where_the_grid_says(values):
    chart = one_line(values)
    (path,) = chart.lines[0].paths
    for (x, y), value, images in zip(points(path), values, (100, 200, 300), strict=False):
        assert value_at(chart, y) == pytest.approx(value, rel=0.01, abs=0.02)
        assert x == pytest.approx(LEFT + (RIGHT - LEFT) * images / (100 * len(values)), abs=0.01)
        assert TOP <= y <= BOTTOM
    assert chart.log == (values == (1000.0, 10.0, 0.1))


def test_a_line_breaks_where_it_is_not_finite():
    (line,) = one_line((1.0, 2.0, math.nan, 3.0, math.inf)).lines
    assert [len(points(path)) for path in line.paths] == [2, 1]
    assert [dot.text for dot in line.dots][-1] == "loss: 3 after 400 images" and len(line.dots) == 3
    assert one_line((math.nan, math.inf)) is None and draw("Loss", []) is None


def test_a_long_line_is_means_within_a_band():
    values = [float(i % 2) for i in range(10 * MOST)]
    (line,) = one_line(values).lines
    (path,) = line.paths
    ys = {y for _, y in points(path)}
    least, most = (y for y in (min(y for _, y in points(line.band)), max(y for _, y in points(line.band))))
    assert len(points(path)) == MOST and len(ys) == 1
    assert ys.pop() == pytest.approx((least + most) / 2, abs=0.01)  # the mean of 0 and 1
    assert points(path)[-1][0] == RIGHT and not line.dots


@pytest.mark.parametrize(("low", "high"), [(0, 1), (0.013, 0.0131), (-5, 12), (0, 3e6), (9.99, 10.01)])
def test_round_values_are_few_and_round(low, high):
    values = round_values(low, high)
    assert 3 <= len(values) <= 8 and low <= min(values) and max(values) <= high * (1 + 1e-9)
    step = values[1] - values[0]
    assert float(f"{step:.0e}") == pytest.approx(step) and f"{step:.0e}"[0] in "125"


def test_round_powers_are_within_their_values():
    assert round_powers(0.9, 21) == [1, 2, 5, 10, 20]
    assert round_powers(1e-8, 1e8)[:2] == pytest.approx([1e-8, 1e-5])
    assert Axis(1, 100, 0, 10, log=True)(10) == 5


def test_numbers_of_images_are_short():
    assert [counted(n) for n in (0, 500, 1500, 2e6, 3e9)] == ["0", "500", "1.5k", "2M", "3G"]
