import torch
from torchvision.io import read_image

from diffusion_lightning.data.base import TensorImages
from diffusion_lightning.evaluation.metrics.neighbours import Neighbours, nearest_images
from tests.support.images import comparison, random_pixels, statistics_of


def test_nearest_images_are_those_of_a_full_search():
    pixels, train = random_pixels(5), random_pixels(50, seed=1)
    distances, numbers = nearest_images(pixels, TensorImages(train, torch.zeros(50)), 3, chunk_size=7)
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
