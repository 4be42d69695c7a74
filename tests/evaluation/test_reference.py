import pytest
import torch

from diffusion_lightning.data.base import TensorImages
from diffusion_lightning.evaluation.cache import CACHE
from diffusion_lightning.evaluation.reference import reference_order, reference_statistics
from tests.support.images import Pixels, random_pixels


@pytest.fixture
def cached(monkeypatch, tmp_path):
    """Lists the files of statistics in an empty cache."""
    monkeypatch.setenv(CACHE, str(tmp_path))
    return lambda: sorted((tmp_path / "statistics").iterdir())


class Counting(Pixels):
    """Counts its calls."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, pixels):
        self.calls += 1
        return super().forward(pixels)


class Doubled(Pixels):
    def forward(self, pixels):
        return 2 * super().forward(pixels).float()


def test_computed_once_for_the_same_images_and_extractor(cached):
    pixels, extractor = random_pixels(700), Counting()
    images = TensorImages(pixels, torch.arange(700) % 3)
    first = reference_statistics(images, "it", extractor)
    calls = extractor.calls
    again = reference_statistics(TensorImages(pixels.clone(), images.labels), "it", extractor)
    assert extractor.calls == calls > 0 and len(cached()) == 1 and again.sha256() == first.sha256()
    torch.testing.assert_close(first.mean, pixels.flatten(1).double().mean(0))
    assert first.features.equal(pixels[reference_order(700)].flatten(1).float())
    assert first.labels.equal(images.labels[reference_order(700)])


def test_other_images_and_other_extractors_are_other_files(cached):
    pixels = random_pixels(20)
    images = TensorImages(pixels, torch.zeros(20))
    changed = pixels.clone()
    changed[3, 0, 0, 0] ^= 1
    for x, extractor in (
        (images, Pixels()),
        (TensorImages(changed, images.labels), Pixels()),
        (images, Doubled()),
    ):
        reference_statistics(x, "it", extractor)
    reference_statistics(TensorImages(pixels, torch.ones(20)), "it", Pixels())
    assert len(cached()) == 4


def test_a_damaged_file_is_written_again(cached):
    images = TensorImages(random_pixels(20), torch.zeros(20))
    first = reference_statistics(images, "it", Pixels())
    (file,) = cached()
    whole = file.read_bytes()
    file.write_bytes(whole[:50])
    assert reference_statistics(images, "it", Pixels()).sha256() == first.sha256()
    assert cached() == [file] and file.read_bytes() == whole
