import numpy as np
import pytest
import torch

from diffusion_lightning.evaluation.metrics.density_coverage import DensityCoverage
from diffusion_lightning.evaluation.metrics.precision_recall import PrecisionRecall
from tests.support.images import comparison, statistics_of
from tests.support.oracles import normal


def by_hand(samples, data, k):
    """Precision, density and coverage, pair by pair."""
    samples, data = samples.double().numpy(), data.double().numpy()
    radius = [sorted(np.linalg.norm(data - x, axis=1))[k] for x in data]
    inside = np.array(
        [[np.linalg.norm(s - x) <= r for x, r in zip(data, radius, strict=True)] for s in samples]
    )
    return inside.any(1).mean(), inside.sum(1).mean() / k, inside.any(0).mean()


@pytest.mark.parametrize("k", [1, 3, 5])
def test_agrees_with_a_computation_pair_by_pair(k):
    data, samples = normal(40, 3).float(), 1.2 * normal(30, 3, seed=1).float() + 0.3
    compared = comparison(statistics_of(samples), statistics_of(data))
    precision, density, coverage = by_hand(samples, data, k)
    recall, _, _ = by_hand(data, samples, k)
    assert PrecisionRecall(k)(compared) == pytest.approx({"precision": precision, "recall": recall})
    assert DensityCoverage(k)(compared) == pytest.approx({"density": density, "coverage": coverage})
    assert 0 < precision < 1 and 0 < recall < 1 and 0 < coverage < 1


def test_a_lost_mode_costs_recall_and_an_invented_one_precision():
    near, far = normal(50, 2).float(), 100 + normal(50, 2, seed=1).float()
    one, both = statistics_of(near), statistics_of(torch.cat([near, far]))
    lost, invented = comparison(one, both), comparison(both, one)
    assert PrecisionRecall()(lost) == {"precision": 1, "recall": 0.5}
    assert PrecisionRecall()(invented) == {"precision": 0.5, "recall": 1}
    assert DensityCoverage()(lost)["coverage"] == 0.5


def test_an_outlier_in_the_data_moves_precision_but_hardly_density():
    data = torch.cat([normal(50, 2).float(), torch.tensor([[30.0, 30.0]])])
    samples = 10 + normal(50, 2, seed=1).float()
    compared = comparison(statistics_of(samples), statistics_of(data))
    assert PrecisionRecall()(compared)["precision"] == 1
    assert DensityCoverage()(compared)["density"] == pytest.approx(0.2)


def test_identical_sets_and_the_limit_on_images():
    x = statistics_of(normal(40, 3).float())
    assert PrecisionRecall()(comparison(x, x)) == {"precision": 1, "recall": 1}
    half = statistics_of(x.features[:20])
    other = statistics_of(normal(40, 3, seed=1).float())
    limited = PrecisionRecall(num_images=20)(comparison(x, other))
    assert limited == PrecisionRecall()(comparison(half, statistics_of(other.features[:20])))


def test_balls_around_too_few_images_have_no_radius():
    few, many = statistics_of(normal(3, 2).float()), statistics_of(normal(9, 2, seed=1).float())
    values = PrecisionRecall()(comparison(few, many))
    assert 0 <= values["precision"] <= 1 and values["recall"].value is None
    assert "more than 3 images, not 3" in values["recall"].reason
    assert {v.value for v in PrecisionRecall()(comparison(few, few)).values()} == {None}
    assert {v.value for v in DensityCoverage()(comparison(many, few)).values()} == {None}
