"""Some classes, some images, another size: of every data set, and again from a checkpoint's config."""

import struct
from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image

import diffusion_lightning as dl
from diffusion_lightning.config.build import build_data
from diffusion_lightning.errors import UserError
from tests.support.configs import composed, of_images
from tests.support.data import digits, folder_data, save_image

RNG = np.random.default_rng(0)


@pytest.fixture
def data_sets(tmp_path, monkeypatch):
    """The options with which each data set of conf/ finds a few images, without a network."""
    monkeypatch.setattr("diffusion_lightning.data.mnist.MNIST._open", lambda self, train, download: _Small())
    monkeypatch.setattr("diffusion_lightning.data.cifar10.CIFAR10.load", _colours)
    for i in range(60):
        save_image(tmp_path / "photos" / "abc"[i % 3] / f"{i}.png", (i, 2 * i, 4 * i))
    return {"image_folder": [f"data_dir={tmp_path / 'photos'}"]}


class _Small:
    data = torch.from_numpy(RNG.integers(0, 256, (40, 28, 28), dtype=np.uint8))
    targets = torch.arange(40) % 10


def _colours(self, train):
    pixels = np.random.default_rng(0).integers(0, 256, (40, 3, 32, 32), dtype=np.uint8)
    return dl.TensorImages(torch.from_numpy(pixels), torch.arange(40) % 10)


@pytest.mark.parametrize("name", of_images("dataset"))
@pytest.mark.parametrize(
    "options",
    [
        ["dataset.classes=[2,0]"],
        ["dataset.classes=NAMES"],
        ["dataset.limit=5"],
        ["dataset.classes=[1]", "dataset.limit=2", "dataset.image_size=16"],
        ["dataset.image_size=[16,24]"],
    ],
)
def test_of_every_data_set(name, options, data_sets):
    common = [f"dataset={name}", *data_sets.get(name, [])]
    whole, _ = build_data(composed("train", *common, with_hydra=False))
    known = whole.class_names
    options = [o.replace("NAMES", f'["{known[2].upper()}","{known[0]}"]') for o in options]
    data, cfg = build_data(composed("train", *common, *options, with_hydra=False))
    again, same = build_data(cfg)  # as a checkpoint's config builds it
    for one in (whole, data, again):
        one.setup()
    assert same == cfg and again.class_names == data.class_names
    chosen = [1] if "dataset.classes=[1]" in options else [0, 2] if "classes" in options[0] else None
    kept = range(whole.num_classes) if chosen is None else chosen
    assert data.class_names == [known[i] for i in kept] and data.num_classes == len(kept)
    assert cfg.network.num_classes == cfg.dataset.num_classes == len(kept)
    for part, everything, rebuilt in (
        (data.train_images, whole.train_images, again.train_images),
        (data.test_images, whole.test_images, again.test_images),
    ):
        assert part.sha256() == rebuilt.sha256()
        truth = torch.cat([torch.nonzero(everything.labels == y)[:, 0] for y in kept]).sort().values
        labels = torch.tensor([list(kept).index(int(everything.labels[i])) for i in truth])
        if "limit" in str(options):
            limit = 5 if chosen is None else 2
            assert len(part) == min(limit, len(truth)) and len(truth) > 0
        else:
            assert part.labels.equal(labels)
        if "image_size" not in str(options) and "limit" not in str(options):
            assert part[torch.arange(len(part))][0].equal(everything[truth][0])
        assert part[torch.tensor([0])][0].shape[1:] == data.shape


def test_a_limit_takes_the_same_images_for_any_seed_and_more_of_them_for_a_larger_one():
    def pixels(limit, seed):
        data = digits(limit=limit, seed=seed)
        data.setup()
        return {x.numpy().tobytes() for x in data.train_images.images}

    assert pixels(50, 0) == pixels(50, 1)
    sets = [pixels(limit, 0) for limit in (10, 50, 400)]
    assert all(few < many for few, many in pairwise(sets)) and len(sets[1]) == 50
    data = digits(limit=400)
    data.setup()
    assert len(data.train_images.labels.unique()) == 10 and len(data.test_images) == 297


def test_statistics_of_a_part_are_cached_apart_and_those_of_the_whole_as_before():
    hashes = []
    for options in (
        {},
        {"classes": [0, 1]},
        {"limit": 100},
        {"image_size": 16},
        {"classes": list(range(10))},
    ):
        data = digits(**options)
        data.setup()
        hashes.append(data.train_images.key())
    assert hashes[0] == hashes[4] == digits().load(train=True).key() and len(set(hashes)) == 4


def test_resized_images_are_those_of_pillow():
    data = digits(image_size=[16, 12])
    data.setup()
    original = Image.fromarray(digits().load(train=True).images[3, 0].numpy())
    expected = original.resize((12, 16), Image.Resampling.LANCZOS, box=(1, 0, 7, 8))
    np.testing.assert_array_equal(data.train_images.images[3, 0], np.asarray(expected))


@pytest.mark.parametrize("classes", [[10], ["cow"], [], [True], [0.5]])
def test_classes_that_are_not_there_are_refused(classes):
    with pytest.raises(UserError, match=r"dataset\.classes"):
        digits(classes=classes, class_names="0123456789")
    with pytest.raises(UserError, match="no training image is of the classes"):
        digits(classes=[7, 12], num_classes=2, class_names=["a", "b"]).setup()


def test_of_a_folder_test_images_stay_test_images(tmp_path):
    for i in range(60):
        save_image(tmp_path / "abc"[i % 3] / f"{i:02}.png", i)
    whole, part = folder_data(tmp_path), folder_data(tmp_path, classes=["b", "c"], memory_limit=0)
    part.setup()
    assert set(part.test_images.files) <= set(whole._files[False].files)
    assert set(part.train_images.files) <= set(whole._files[True].files)


def unreadable(root):
    """25 files, of which 5 are no images; the first and the 21st are for testing."""
    for i in range(24):
        save_image(root / f"{i:02}.png", (i, 2 * i, 4 * i))
    good = (root / "03.png").read_bytes()
    bomb = good[:16] + struct.pack(">II", 30_000, 30_000) + good[24:]
    for name, content in (("00", b""), ("05", b"text"), ("07", good[:40]), ("09", bomb)):
        (root / f"{name}.png").write_bytes(content)
    (root / "link.png").symlink_to(root / "absent.png")


@pytest.mark.parametrize("memory_limit", [4e9, 0])
def test_images_that_cannot_be_read_are_left_out_if_that_is_wanted(memory_limit, tmp_path, caplog):
    unreadable(tmp_path)
    strict = folder_data(tmp_path, memory_limit=memory_limit)
    with pytest.raises(UserError, match="cannot be read"):
        strict.setup()
        list(strict.loader(train=True))
    caplog.clear()
    data = folder_data(tmp_path, memory_limit=memory_limit, skip_unreadable=True)
    data.setup()
    seen = [set(images[torch.arange(len(images))][0][:, 0, 0, 0].tolist()) for images in data._sets]
    assert seen == [set(range(24)) - {0, 5, 7, 9, 20}, {20}]
    assert "4 of 23 train images are left out" in caplog.text and "1 of 2 test images" in caplog.text
    assert f"{tmp_path / '05.png'} cannot be read" in caplog.text


def test_a_split_of_which_nothing_can_be_read_is_refused(tmp_path):
    save_image(tmp_path / "train" / "1.png", 0)
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "1.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"none of the test images can be read: .*test/1\.png"):
        folder_data(tmp_path, skip_unreadable=True).setup()
