import pytest
import torch

from diffusion_lightning.evaluation.metrics.classes import Classes
from tests.support.images import comparison, statistics_of


def says(*classes):
    return 10 * torch.eye(4)[list(classes)]


def test_accuracy_is_of_labelled_samples_and_the_histogram_of_all():
    samples = statistics_of(torch.zeros(5, 1), says(0, 1, 2, 2, 3), torch.tensor([0, 1, 2, 3, 4]))
    train = statistics_of(torch.zeros(4, 1), says(0, 1, 2, 3), torch.arange(4))
    values = Classes()(comparison(samples, train))
    assert all(isinstance(value, float) for value in values.values())
    assert values == pytest.approx({"accuracy": 0.75, "class_distance": 0.15})
    unlabelled = statistics_of(torch.zeros(4, 1), says(0, 0, 0, 0), torch.full((4,), 4))
    assert Classes()(comparison(unlabelled, train)) == {"class_distance": 0.75}


def test_an_extractor_of_other_classes_measures_none():
    samples = statistics_of(torch.zeros(5, 1), torch.zeros(5, 1008))
    assert Classes()(comparison(samples, samples)) == {}


def test_fewer_images_than_classes_cannot_have_the_datas_histogram():
    samples = statistics_of(torch.zeros(3, 1), says(0, 1, 2), torch.arange(3))
    train = statistics_of(torch.zeros(4, 1), says(0, 1, 2, 3), torch.arange(4))
    distance = Classes()(comparison(samples, train))["class_distance"]
    assert distance.value == pytest.approx(0.25) and "3 images cannot be of all classes" in distance.reason
