import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.doubt import Doubtful
from diffusion_lightning.evaluation.metrics.kid import KID, kernel_distance, mmd2
from tests.support.images import comparison, statistics_of
from tests.support.oracles import normal


def test_mmd_is_the_mean_over_pairs():
    x, y = normal(5, 3), normal(5, 3, seed=1)

    def k(a, b):
        return (float(a @ b) / 3 + 1) ** 3

    pairs = [(i, j) for i in range(5) for j in range(5) if i != j]
    within = sum(k(x[i], x[j]) + k(y[i], y[j]) for i, j in pairs) / 20
    across = sum(k(a, b) for a in x for b in y) / 25
    assert float(mmd2(x, y)) == pytest.approx(within - 2 * across, rel=1e-12)
    assert float(mmd2(x, y)) == pytest.approx(float(poly_mmd(x, y)), rel=1e-6)


def test_is_unbiased_and_sees_a_shift():
    x, y = normal(600, 4).float(), normal(600, 4, seed=1).float()
    same, deviation = kernel_distance(statistics_of(x), statistics_of(y), 50, 100)
    assert abs(same) < 3 * deviation / 5 and deviation > 0
    shifted, _ = kernel_distance(statistics_of(x), statistics_of(y + 1), 50, 100)
    assert shifted > 10 * abs(same)


def test_subsets_are_as_large_as_the_smaller_set_and_the_same_every_time():
    x, y = normal(30, 4).float(), normal(20, 4, seed=1).float()
    values = KID(subsets=3, subset_size=1000)(comparison(statistics_of(x), statistics_of(y)))
    assert values == KID(subsets=3, subset_size=20)(comparison(statistics_of(x), statistics_of(y)))
    whole, none = kernel_distance(statistics_of(y), statistics_of(y + 1), 2, 1000)
    assert whole == pytest.approx(float(mmd2(y.double(), (y + 1).double())))
    assert none.value is None and "whole of both sets" in none.reason
    _, none = kernel_distance(statistics_of(x), statistics_of(y), 1, 10)
    assert none == Doubtful("one subset alone has no deviation")


def test_one_image_is_refused():
    with pytest.raises(UserError, match="at least two"):
        kernel_distance(statistics_of(torch.ones(1, 3)), statistics_of(torch.ones(5, 3)), 1, 10)
