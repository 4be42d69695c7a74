import pytest
import torch

from diffusion_lightning.errors import NotFinite
from diffusion_lightning.evaluation.statistics import ImageStatistics
from tests.support.images import Pixels, random_pixels
from tests.support.oracles import normal


def add(statistics, pixels, features, sizes):
    labels, logits = torch.arange(len(pixels)), features[:, :3]
    parts = (x.split(sizes) for x in (pixels, labels, features, logits))
    for part in zip(*parts, strict=True):
        statistics.update(*part)
    return statistics


def test_moments_are_those_of_the_whole_set_for_any_batches():
    pixels, features = random_pixels(50, (3, 4, 4)), 100 + normal(50, 6).float()
    for sizes in ([50], [1] * 50, [7, 20, 23]):
        s = add(ImageStatistics(10), pixels, features, sizes)
        torch.testing.assert_close(s.mean, features.double().mean(0), rtol=1e-12, atol=0)
        torch.testing.assert_close(s.covariance, torch.cov(features.T.double()), rtol=1e-8, atol=1e-9)
        channels = pixels.double().transpose(0, 1).flatten(1)
        torch.testing.assert_close(s.pixel_mean, channels.mean(1), rtol=1e-12, atol=0)
        torch.testing.assert_close(s.pixel_std, channels.std(1, correction=0), rtol=1e-12, atol=0)
        torch.testing.assert_close(s.covariance_root @ s.covariance_root, s.covariance, atol=1e-8, rtol=0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_features_that_are_no_numbers_are_refused(bad):
    features = normal(5, 6).float()
    features[3, 4] = bad
    with pytest.raises(NotFinite, match="features of NaN or infinity"):
        add(ImageStatistics(10), random_pixels(5), features, [2, 3])


def test_only_the_first_are_kept_so_that_memory_does_not_grow():
    s = add(ImageStatistics(10), random_pixels(50), normal(50, 6).float(), [4] * 12 + [2])
    assert s.n == 50 and s.features.shape == (10, 6) and s.logits.shape == (10, 3)
    assert s.labels.equal(torch.arange(10))
    # A view would keep the whole batch in memory
    assert sum(part.untyped_storage().nbytes() for part in s._kept["features"]) == 10 * 6 * 4
    assert len(s._kept["features"]) == 3


def test_a_file_holds_everything(tmp_path):
    s = add(ImageStatistics(10), random_pixels(20), normal(20, 6).float(), [20])
    s.save(tmp_path / "new" / "s.safetensors")
    loaded = ImageStatistics.load(tmp_path / "new" / "s.safetensors")
    assert loaded.sha256() == s.sha256() and loaded.n == 20
    assert loaded.features.equal(s.features) and loaded.labels.equal(s.labels)
    assert loaded.covariance.equal(s.covariance) and loaded.pixel_std.equal(s.pixel_std)
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["s.safetensors"]


def test_the_hash_tells_sets_apart():
    one, other = (
        add(ImageStatistics(0), random_pixels(9, seed=seed), normal(9, 2, seed=seed).float(), [9])
        for seed in (0, 1)
    )
    again = add(ImageStatistics(5), random_pixels(9), normal(9, 2).float(), [9])
    assert one.sha256() == again.sha256() != other.sha256()


@pytest.mark.parametrize("sizes", [[10], [3, 3, 4]])
def test_a_block_of_images_goes_through_the_extractor(sizes):
    s, pixels = ImageStatistics(10), random_pixels(10)
    for part in pixels.split(sizes):
        assert s.add(Pixels(), part, torch.zeros(len(part)), len(part)).equal(part)
    assert s.features.equal(pixels.flatten(1).float())
