import pytest
import torch

from diffusion_lightning.data.base import TensorImages
from diffusion_lightning.evaluation import reference
from diffusion_lightning.evaluation.reference import reference_order, reference_statistics
from tests.support.images import Pixels, random_pixels


@pytest.fixture
def computed(monkeypatch, tmp_path):
    """The extractors that something was really computed with, and a cache of their own."""
    monkeypatch.setenv("DIFFUSION_LIGHTNING_CACHE", str(tmp_path))
    seen = []
    save = reference.ImageStatistics.save
    monkeypatch.setattr(reference.ImageStatistics, "save", lambda s, file: (seen.append(file), save(s, file)))
    return seen


class Doubled(Pixels):
    def forward(self, pixels):
        return 2 * super().forward(pixels).float()


def test_computed_once_for_the_same_images_and_extractor(computed):
    pixels = random_pixels(700)
    images = TensorImages(pixels, torch.arange(700) % 3)
    first = reference_statistics(images, "it", Pixels())
    again = reference_statistics(TensorImages(pixels.clone(), images.labels), "it", Pixels())
    assert len(computed) == 1 and again.sha256() == first.sha256()
    torch.testing.assert_close(first.mean, pixels.flatten(1).double().mean(0))
    assert first.features.equal(pixels[reference_order(700)].flatten(1).float())
    assert first.labels.equal(images.labels[reference_order(700)])


def test_other_images_and_other_extractors_are_other_files(computed):
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
    assert len(set(computed)) == 4


def test_a_damaged_file_is_written_again(computed):
    images = TensorImages(random_pixels(20), torch.zeros(20))
    first = reference_statistics(images, "it", Pixels())
    computed[0].write_bytes(computed[0].read_bytes()[:50])
    assert reference_statistics(images, "it", Pixels()).sha256() == first.sha256()
    assert len(computed) == 2
