import pytest

from diffusion_lightning.evaluation.metrics.colours import Colours
from tests.support.images import comparison, random_pixels, statistics_of


def test_colours_are_compared_with_the_datas():
    dark, bright = random_pixels(30, (3, 4, 4), high=100), random_pixels(30, (3, 4, 4), low=100)
    values = Colours()(comparison(*(statistics_of(x.flatten(1).float(), pixels=x) for x in (bright, dark))))
    channel = bright[:, 1].double()
    assert values["mean_1"] == pytest.approx(float(channel.mean()))
    assert values["std_1"] == pytest.approx(float(channel.std(correction=0)))
    assert values["mean_1_off"] == pytest.approx(float(channel.mean() - dark[:, 1].double().mean()))
    off = [values[f"mean_{c}_off"] for c in range(3)]
    assert values["colour_distance"] == pytest.approx(sum(x * x for x in off) ** 0.5)
    assert len(values) == 13
