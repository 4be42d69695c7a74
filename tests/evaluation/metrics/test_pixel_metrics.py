"""The metrics that look at pixels and classes."""

import pytest
import torch
from torchvision.io import read_image

from diffusion_lightning.data.base import TensorImages
from diffusion_lightning.evaluation.metrics.classes import Classes
from diffusion_lightning.evaluation.metrics.colours import Colours
from diffusion_lightning.evaluation.metrics.neighbours import Neighbours, nearest_images
from tests.support.images import comparison, random_pixels, statistics_of


def test_nearest_images_are_those_of_a_full_search(monkeypatch):
    monkeypatch.setattr("diffusion_lightning.evaluation.metrics.neighbours.CHUNK", 7)
    pixels, train = random_pixels(5), random_pixels(50, seed=1)
    distances, numbers = nearest_images(pixels, TensorImages(train, torch.zeros(50)), 3)
    error = pixels.double()[:, None] - train.double()
    every = error.square().mean((2, 3, 4)).sqrt()
    assert numbers.equal(every.argsort(1)[:, :3])
    torch.testing.assert_close(distances, every.sort(1).values[:, :3])


def test_copies_are_found_and_shown_first(tmp_path):
    train = random_pixels(50, seed=1)
    samples = torch.cat([random_pixels(3), train[[20]]])
    s = statistics_of(samples.flatten(1).float(), pixels=samples)
    values = Neighbours(rows=2, columns=2)(comparison(s, s, samples, train, tmp_path))
    assert values["copies"] == 0.25 and values["nearest"] > 20
    picture = read_image(str(tmp_path / "neighbours.png"))
    side, scale = 4 * 12 + 1, 12
    copy, original = (picture[:1, 1:side:scale, 1 + i * side : (i + 1) * side : scale] for i in (0, 1))
    assert copy.equal(train[20]) and original.equal(train[20])
    assert picture.shape[1:] == (2 * side + 1, 3 * side + 1)


def test_fewer_training_images_than_columns(tmp_path):
    x = random_pixels(2)
    s = statistics_of(x.flatten(1).float(), pixels=x)
    assert Neighbours()(comparison(s, s, x, x, tmp_path))["copies"] == 1


def test_colours_beside_the_datas():
    dark, bright = random_pixels(30, (3, 4, 4), high=100), random_pixels(30, (3, 4, 4), low=100)
    values = Colours()(comparison(*(statistics_of(x.flatten(1).float(), pixels=x) for x in (bright, dark))))
    channel = bright[:, 1].double()
    assert values["mean_1"] == pytest.approx(float(channel.mean()))
    assert values["std_1"] == pytest.approx(float(channel.std(correction=0)))
    assert values["mean_1_off"] == pytest.approx(float(channel.mean() - dark[:, 1].double().mean()))
    assert len(values) == 12


def says(*classes):
    return 10 * torch.eye(4)[list(classes)]


def test_accuracy_is_of_labelled_samples_and_the_histogram_of_all():
    samples = statistics_of(torch.zeros(5, 1), says(0, 1, 2, 2, 3), torch.tensor([0, 1, 2, 3, 4]))
    train = statistics_of(torch.zeros(4, 1), says(0, 1, 2, 3), torch.arange(4))
    values = Classes()(comparison(samples, train))
    assert values == pytest.approx({"accuracy": 0.75, "class_distance": 0.15})
    unlabelled = statistics_of(torch.zeros(4, 1), says(0, 0, 0, 0), torch.full((4,), 4))
    assert Classes()(comparison(unlabelled, train)) == {"class_distance": 0.75}


def test_an_extractor_of_other_classes_measures_none():
    samples = statistics_of(torch.zeros(5, 1), torch.zeros(5, 1008))
    assert Classes()(comparison(samples, samples)) == {}
