"""The controls within their bounds, as options of the command line."""

import math

import pytest

from diffusion_lightning.errors import UserError
from diffusion_lightning.page.settings import Settings


def test_options_are_those_that_differ_from_sampling_as_trained_and_everywhere():
    plain = ["sampler=ddim", "sampler/grid=uniform", "clamp=static", "sampler.steps=50", "guidance.scale=1"]
    assert Settings().options == plain
    guided = Settings(scale=2.5, low=0.2, high=1.0, rescale=0.7).options
    assert guided[4:] == ["guidance.scale=2.5", "guidance.interval=[0.2,1]", "guidance.rescale=0.7"]


def test_labels_are_numbers_or_names_between_commas():
    assert Settings(labels=" 3, cat,,1 ").classes == [3, "cat", 1]
    assert Settings(labels=" , ").classes is None
    assert Settings(labels="-1").classes == ["-1"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "steps: 0 is not a whole number from 1 to 1,000"),
        ({"steps": 1001}, "steps: 1001"),
        ({"steps": 2.5}, "steps: 2.5"),
        ({"steps": None}, "steps: None"),
        ({"steps": True}, "steps: True"),
        ({"num_images": 5001}, "images: 5001"),
        ({"seed": -1}, "seed: -1"),
        ({"seed": 2**32}, "seed: 4294967296"),
        ({"scale": 20.1}, "w: 20.1 is not a number from 0 to 20"),
        ({"scale": -1}, "w: -1"),
        ({"scale": math.nan}, "w: nan"),
        ({"scale": "1,sampler=x"}, "w: 1,sampler=x"),
        ({"low": 2}, "low: 2"),
        ({"rescale": math.inf}, "rescale: inf"),
        ({"labels": "1," * 101}, "more than 200 characters"),
    ],
)
def test_what_is_out_of_its_bounds_is_refused(changes, message):
    with pytest.raises(UserError, match=message):
        Settings(**changes)
