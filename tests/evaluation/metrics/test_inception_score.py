import pytest
import torch

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
    assert whole == {"is": pytest.approx(inception_score(samples.logits)), "is_std": 0}
    parts = InceptionScore(splits=4)(comparison(samples, samples))
    assert 1 < parts["is"] < whole["is"] and parts["is_std"] > 0


def test_nothing_without_logits():
    samples = statistics_of(torch.zeros(4, 1))
    assert InceptionScore()(comparison(samples, samples)) == {}
