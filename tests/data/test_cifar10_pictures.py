"""CIFAR-10 in class folders, as fast.ai and Kaggle hand it on; pictures that the test writes itself."""

import pickle

import numpy as np
import pytest
from PIL import Image

from diffusion_lightning.data import CIFAR10
from diffusion_lightning.data.cifar10_pictures import CLASSES
from diffusion_lightning.errors import UserError
from tests.support.data import batches_of, save_image

COLOURS = {name: (20 * y, 255 - 20 * y, 128) for y, name in enumerate(CLASSES)}


def write_copy(root, suffix="png", splits=("train", "test"), spelt=str, left_out=()):
    """A copy with one picture of each class, each class in a colour of its own."""
    for split in splits:
        for name, colour in COLOURS.items():
            if name not in left_out:
                save_image(root / spelt(split) / spelt(name) / f"0000.{suffix}", colour, size=(32, 32))


def write_original(root, monkeypatch):
    """The original format, of one grey image per split."""
    import hashlib

    from torchvision.datasets import CIFAR10 as Torchvision

    (root / "cifar-10-batches-py").mkdir(parents=True)
    for split, name in (("train_list", "data_batch_1"), ("test_list", "test_batch")):
        content = pickle.dumps({"data": np.full((1, 3072), 77, np.uint8), "labels": [9]}, protocol=4)
        (root / "cifar-10-batches-py" / name).write_bytes(content)
        monkeypatch.setattr(Torchvision, split, [[name, hashlib.md5(content).hexdigest()]])


def cifar10(root, **options):
    return CIFAR10(str(root), 10, 3, 32, 10, **options)


@pytest.mark.parametrize("folder", ["", "cifar10", "CIFAR-10-images", "cifar10-jpeg", "cifar10/cifar10"])
@pytest.mark.parametrize("spelt", [str.lower, str.upper, str.title])
def test_classes_are_numbered_in_the_official_order_wherever_and_however_they_are_spelt(
    folder, spelt, tmp_path
):
    write_copy(tmp_path / folder, spelt=spelt)
    data = cifar10(tmp_path)
    data.prepare_data()  # which downloads nothing
    ((x, y),) = batches_of(data, train=False)
    assert y.tolist() == list(range(10))
    pixels = ((x[..., 5, 5] + 1) * 127.5).round().int().tolist()
    assert [tuple(pixel) for pixel in pixels] == list(COLOURS.values())


def test_it_is_said_and_recorded_which_copy_is_read(tmp_path, monkeypatch, caplog):
    """The original wins, then PNG; `copy` chooses; each of them is another data set."""
    caplog.set_level("INFO")
    jpeg, png = tmp_path / "cifar10-jpeg", tmp_path / "cifar10-png"
    found = {}

    def read(expected, **options):
        caplog.clear()
        data = cifar10(tmp_path, **options)
        found[data.title] = data.contents()
        data.setup()
        assert data.copy == expected
        return next(line for line in caplog.messages if line.startswith("CIFAR-10: "))

    write_copy(jpeg, "jpg")
    assert read("jpeg") == f"CIFAR-10: JPEG pictures in {jpeg}"
    write_copy(png, "png")
    assert read("png").startswith(f"CIFAR-10: PNG pictures in {png}; not read: JPEG pictures in {jpeg} (")
    assert f"not read: PNG pictures in {png}" in read("jpeg", copy="jpeg")
    write_original(tmp_path, monkeypatch)
    said = read("original")
    assert f"original batches in {tmp_path / 'cifar-10-batches-py'}; not read: PNG pictures in {png}" in said
    assert list(found) == ["CIFAR-10 (JPEG copy)", "CIFAR-10 (PNG copy)", "CIFAR10"]
    assert len(set(found.values())) == 3 and None not in found.values()


def test_a_copy_is_the_same_data_in_another_folder_and_other_data_if_a_picture_differs(tmp_path):
    for name in ("a", "b"):
        write_copy(tmp_path / name, "jpg")
    assert cifar10(tmp_path / "a").contents() == cifar10(tmp_path / "b").contents()
    save_image(tmp_path / "b" / "test" / "ship" / "0000.jpg", 0, size=(32, 32))
    assert cifar10(tmp_path / "a").contents() != cifar10(tmp_path / "b").contents()


def test_one_jpeg_file_makes_a_jpeg_copy_and_other_formats_are_refused(tmp_path):
    write_copy(tmp_path)
    save_image(tmp_path / "train" / "cat" / "1.jpeg", 0, size=(32, 32))
    assert cifar10(tmp_path).copy == "jpeg"
    save_image(tmp_path / "train" / "cat" / "2.bmp", 0, size=(32, 32))
    with pytest.raises(UserError, match=r"not all pictures in .* are PNG or JPEG files"):
        cifar10(tmp_path)
    assert cifar10(tmp_path, copy="original").copy == "original"  # what is not read is not checked
    write_copy(tmp_path / "cifar10")
    assert cifar10(tmp_path).copy == "png"


def test_a_copy_that_is_not_complete_says_what_it_lacks(tmp_path, caplog):
    write_copy(tmp_path, left_out=("deer", "ship"))
    with pytest.raises(UserError, match=r"train has no deer, ship .*classes=\[airplane,automobile,"):
        cifar10(tmp_path)
    save_image(tmp_path / "train" / "cat" / "1.png", 0, size=(32, 32))
    data = cifar10(tmp_path, classes=["cat", "dog"], class_names=CLASSES)
    data.setup()
    assert data.train_images.labels.tolist() == [0, 0, 1]
    for split, count, whole in (("train", 2, "5,000"), ("test", 1, "1,000")):
        line = f"{tmp_path / split} is not complete, with cat {count}, dog 1; CIFAR-10 has {whole} {split}"
        assert line in caplog.text


def test_a_whole_copy_says_nothing_of_numbers(tmp_path, caplog, monkeypatch):
    monkeypatch.setattr("diffusion_lightning.data.cifar10_pictures.PER_CLASS", {"train": 1, "test": 1})
    write_copy(tmp_path)
    cifar10(tmp_path).setup()
    assert "complete" not in caplog.text


def test_what_is_asked_for_and_not_there_is_refused(tmp_path):
    write_copy(tmp_path)
    with pytest.raises(UserError, match=r"no copy of CIFAR-10 in JPEG files .* dataset\.copy=null\."):
        cifar10(tmp_path, copy="jpeg")


def test_cifar100_and_folders_without_splits_are_no_copies(tmp_path):
    write_copy(tmp_path / "cifar100")
    write_copy(tmp_path / "cifar10", splits=("train",))
    assert cifar10(tmp_path).copy == "original"


def test_pixels_are_those_of_the_files_and_a_damaged_one_is_named(tmp_path):
    write_copy(tmp_path)
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "test" / "airplane" / "0000.png")
    data = cifar10(tmp_path)
    data.setup()
    assert data.test_images.images[0].permute(1, 2, 0).numpy().tolist() == pixels.tolist()
    (tmp_path / "train" / "truck" / "0000.png").write_bytes(b"no picture")
    with pytest.raises(UserError, match=r"truck/0000\.png cannot be read"):
        cifar10(tmp_path).setup()
