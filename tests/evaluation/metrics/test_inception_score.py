import numpy as np
import pytest
import torch

from diffusion_lightning.evaluation.doubt import Doubtful, judge
from diffusion_lightning.evaluation.metrics.inception_score import InceptionScore, inception_score
from tests.support.images import comparison, statistics_of
from tests.support.oracles import normal


def test_is_the_number_of_classes_told_apart():
    sure = torch.eye(7).repeat(4, 1) * 1000
    assert inception_score(sure) == pytest.approx(7)
    assert inception_score(sure[::7]) == pytest.approx(1)
    assert inception_score(torch.zeros(9, 5)) == pytest.approx(1)


def test_equals_the_definition():
    logits = normal(20, 5)
    p = logits.softmax(1)
    divergence = (p * (p / p.mean(0)).log()).sum(1).mean()
    assert inception_score(logits.float()) == pytest.approx(float(divergence.exp()), rel=1e-6)


def test_mean_and_deviation_are_over_parts():
    samples = statistics_of(torch.zeros(40, 1), logits=normal(40, 5).float() * 3)
    whole = InceptionScore(splits=1)(comparison(samples, samples))
    assert whole["is"] == pytest.approx(inception_score(samples.logits))
    assert whole["is_std"] == Doubtful("one part alone has no deviation")
    parts = InceptionScore(splits=4)(comparison(samples, samples))
    assert 1 < parts["is"] < whole["is"] and parts["is_std"] > 0


def test_nothing_without_logits():
    samples = statistics_of(torch.zeros(4, 1))
    assert InceptionScore()(comparison(samples, samples)) == {}


@pytest.mark.parametrize(("n", "splits"), [(91, 10), (29, 4), (20, 10), (100, 10)])
def test_parts_are_those_of_the_released_code(n, splits):
    """`preds[(i * preds.shape[0] // splits):((i + 1) * preds.shape[0] // splits), :]`."""
    samples = statistics_of(torch.zeros(n, 1), logits=normal(n, 5).float() * 3)
    shuffled = (
        samples.logits[torch.randperm(n, generator=torch.Generator().manual_seed(0))].softmax(1).numpy()
    )
    scores = []
    for i in range(splits):
        part = shuffled[(i * n // splits) : ((i + 1) * n // splits)]
        kl = part * (np.log(part) - np.log(part.mean(0, keepdims=True)))
        scores.append(np.exp(kl.sum(1).mean()))
    values = {k: judge(v).value for k, v in InceptionScore(splits)(comparison(samples, samples)).items()}
    assert values == pytest.approx({"is": np.mean(scores), "is_std": np.std(scores)}, rel=1e-5)


@pytest.mark.parametrize(("n", "splits"), [(10, 10), (19, 10), (3, 2), (1, 1)])
def test_parts_of_one_image_have_no_score(n, splits):
    samples = statistics_of(torch.zeros(n, 1), logits=normal(n, 5).float())
    values = InceptionScore(splits)(comparison(samples, samples))
    assert {v.value for v in values.values()} == {None}
    assert f"at least {2 * splits} images" in values["is"].reason
