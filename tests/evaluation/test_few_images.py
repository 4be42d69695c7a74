"""Of too few images every figure of every metric is null with a reason, or still means something."""

import json
from functools import cache

import pytest
import torch

from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.data.base import TensorImages
from diffusion_lightning.evaluation.comparison import Metric
from diffusion_lightning.evaluation.doubt import Doubtful, Meaningless, as_text, figure, judge
from diffusion_lightning.evaluation.measure import MeasuredImages, ReferenceData, measure
from diffusion_lightning.sampling.likelihood import Bits
from tests.support.configs import composed, names
from tests.support.images import random_pixels, statistics_of
from tests.support.oracles import normal

FEATURES, CLASSES = 6, 4


@cache
def metric_of(name):
    return instantiate(composed("evaluate", f"metrics=[{name}]").metrics)


def images_of(n, seed):
    """Random images, features and logits, labelled."""
    features, logits = normal(n, FEATURES, seed=seed).float(), 5 * normal(n, CLASSES, seed=seed + 1).float()
    labels, pixels = torch.arange(n) % CLASSES, random_pixels(n, seed=seed)
    return statistics_of(features, logits, labels, pixels), pixels, labels


def measured(name, n, num_train=60, num_test=30, seed=0):
    """The figures of a metric of conf/metrics for n samples."""
    (samples, pixels, _), (train, *of_train), (test, *of_test) = (
        images_of(*some) for some in ((n, seed), (num_train, 100), (num_test, 200))
    )
    reference = ReferenceData(TensorImages(*of_train), TensorImages(*of_test), train, test)
    likelihood = {"likelihood": lambda pixels, labels, **_: Bits(*normal(2, len(pixels), seed=seed))}
    return measure(metric_of(name), MeasuredImages(samples, pixels), reference, **likelihood)


SIZES = [
    *({"n": n} for n in (1, 2, 3, 4, 5, 6, 7, 10, 19, 20, 60)),
    *({"n": 20, "num_train": n} for n in (1, 2, 3, 5, 6)),
    *({"n": 20, "num_test": n} for n in (1, 2)),
    {"n": 1, "num_train": 1, "num_test": 1},
]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("name", names("metrics"))
def test_every_figure_is_finite_or_null_with_a_reason(name, sizes):
    values, reasons = measured(name, **sizes)
    assert json.dumps(values, allow_nan=False) and (values or name in reasons)
    for figure_name, value in values.items():
        assert value is not None or len(reasons[figure_name]) > 20
    assert reasons.keys() <= {*values, name}

    # A spread of zero, or a score of one, of images that have nothing in common
    for figure_name in values:
        if figure_name.endswith(("_std", "_error")):
            assert values[figure_name] is None or values[figure_name] > 1e-9
    assert values.get("is") is None or values["is"] > 1.001


def test_of_enough_images_there_is_no_doubt():
    for name in names("metrics"):
        assert not measured(name, 50).reasons


class Infinite(Metric):
    def __call__(self, compared):
        return {"a": float("nan"), "b": float("inf"), "c": Doubtful("as of old", float("nan")), "d": 1.5}


class Inapplicable(Metric):
    def __call__(self, compared):
        return {}


def test_what_is_not_finite_or_not_there_is_said():
    samples, pixels, labels = images_of(3, 0)
    reference = ReferenceData(*[TensorImages(pixels, labels)] * 2, samples, samples)
    metrics = {"mine": Infinite(), "other": Inapplicable()}
    values, reasons = measure(metrics, MeasuredImages(samples, pixels), reference)
    assert values == {"a": None, "b": None, "c": None, "d": 1.5}
    assert reasons.keys() == {"a", "b", "c", "other"} and "nan" in reasons["a"] and "inf" in reasons["b"]


def test_a_meaningless_figure_becomes_null_and_a_bug_stays_a_bug():
    def meaningless():
        raise Meaningless("because")

    assert figure(meaningless) == Doubtful("because") and figure(lambda: 3.0) == 3.0
    with pytest.raises(ZeroDivisionError):
        figure(lambda: 1 / 0)
    assert (
        judge(2.0) == Doubtful("", 2.0) and as_text(0.123456) == "0.1235" and as_text(Doubtful("x")) == "none"
    )
