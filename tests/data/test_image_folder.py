import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_lightning.data.base import TensorImages
from diffusion_lightning.data.image_files import read_image
from diffusion_lightning.data.image_folder import FileImages
from diffusion_lightning.errors import UserError
from tests.support.data import batches_of, folder_data, save_image

RNG = np.random.default_rng(0)


def test_class_folders_with_splits(tmp_path):
    for split in ("train", "test"):
        save_image(tmp_path / split / "cat" / "a b.png", (255, 0, 0))
        save_image(tmp_path / split / "dog é" / "1.jpg", (0, 0, 255))
    data = folder_data(tmp_path)
    assert (data.num_classes, data.class_names) == (2, ["cat", "dog é"])
    ((x, y),) = batches_of(data, train=False)
    assert y.tolist() == [0, 1]
    torch.testing.assert_close(x[0, :, 4, 4], torch.tensor([1.0, -1.0, -1.0]))


def test_flat_folder_has_no_classes_and_keeps_every_20th_for_testing(tmp_path):
    for i in range(41):
        save_image(tmp_path / f"{i:02}.png", i, mode="L")
    data = folder_data(tmp_path, image_channels=1)
    assert data.num_classes == 0 and data.class_names is None
    test = torch.cat([x for x, _ in batches_of(data, train=False)])
    torch.testing.assert_close(test[:, 0, 0, 0], torch.tensor([0, 20, 40]) / 127.5 - 1)


def test_crop_keeps_the_centre_and_streaming_equals_memory(tmp_path):
    for i in range(8):
        pixels = np.zeros((20, 40, 3), np.uint8)
        pixels[:, 7:33] = RNG.integers(0, 256, 3)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    memory, disk = (folder_data(tmp_path, memory_limit=m) for m in (4e9, 0))
    for (a, _), (b, _) in zip(batches_of(memory, True), batches_of(disk, True), strict=True):
        assert a.equal(b)
        assert (a[..., 1:-1].amax((2, 3)) == a[..., 1:-1].amin((2, 3))).all()  # no black sides


def test_only_a_set_on_disk_uses_workers(tmp_path):
    for i in range(8):
        save_image(tmp_path / f"{i}.png", (i, 2 * i, 3 * i))
    memory, disk = (folder_data(tmp_path, num_workers=1, memory_limit=m) for m in (4e9, 0))
    memory.setup()
    disk.setup()
    assert isinstance(memory.train_images, TensorImages)
    assert len(memory.train_images) == len(disk.train_images) == 7
    assert memory.loader(train=True).num_workers == 0 and disk.loader(train=True).num_workers == 1
    for a, b in zip(memory.loader(train=True), disk.loader(train=True), strict=True):
        assert a[0].equal(b[0]) and a[1].equal(b[1])


def test_class_names_fix_the_order_of_the_labels(tmp_path):
    for split, name in (("train", "cat"), ("train", "dog"), ("val", "cat"), ("val", "dog")):
        save_image(tmp_path / split / name / "deep" / "1.png", 0)
    data = folder_data(tmp_path, class_names=["dog", "cat"], num_classes=2)
    data.setup()
    files = data._files[False]
    assert [f.parts[-3] for f in files.files] == ["dog", "cat"] and files.labels.tolist() == [0, 1]
    with pytest.raises(UserError, match="bird"):
        folder_data(tmp_path, class_names=["dog", "bird"])
    with pytest.raises(UserError, match="num_classes is 3"):
        folder_data(tmp_path, num_classes=3)


def test_orientation_and_hidden_files_are_respected(tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:4] = 255  # the upper half is white
    exif = Image.Exif()
    exif[0x0112] = 3  # taken upside down
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=exif, quality=100)
    (tmp_path / "._a.jpg").write_bytes(b"what macOS leaves behind")
    data = folder_data(tmp_path)
    for ((x, y),) in (batches_of(data, True), batches_of(data, False)):  # one image is both
        assert (x[0, :, :4] < 0).all() and (x[0, :, 4:] > 0).all() and y.tolist() == [0]


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (2500, 2000)])
def test_tiny_thin_and_large_images_are_resized(size, tmp_path):
    save_image(tmp_path / "é 1.png", (10, 20, 30), size)
    ((x, _),) = batches_of(folder_data(tmp_path), train=True)
    seen = ((x + 1) * 127.5).round()
    assert seen.shape == (1, 3, 8, 8) and (seen == torch.tensor([10, 20, 30]).view(3, 1, 1)).all()


def test_a_folder_named_like_an_image_is_a_folder(tmp_path):
    save_image(tmp_path / "cat.png" / "1.png", (255, 0, 0))
    save_image(tmp_path / "dog" / "1.png", (255, 0, 0))
    assert folder_data(tmp_path).class_names == ["cat.png", "dog"]


def test_an_error_in_a_worker_is_one_line(tmp_path, monkeypatch):
    from diffusion_lightning.commands.messages import user_message

    # So many seconds the loader waits for a worker that does not end by itself
    monkeypatch.setattr("torch.utils.data._utils.MP_STATUS_CHECK_INTERVAL", 0.1)
    for i in range(3):
        save_image(tmp_path / f"{i}.png", (255, 0, 0))
    (tmp_path / "2.png").write_bytes(b"")
    data = folder_data(tmp_path, memory_limit=0, num_workers=1)
    data.setup()
    with pytest.raises(UserError) as error:
        list(data.loader(train=True))
    message = user_message(error.value)
    assert message.startswith(str(tmp_path / "2.png")) and "\n" not in message


def test_splits_with_different_classes(tmp_path):
    save_image(tmp_path / "train" / "cat" / "1.png", 0)
    with pytest.raises(UserError, match="no test/ or val/"):
        folder_data(tmp_path)
    save_image(tmp_path / "test" / "dog" / "1.png", 0)
    with pytest.raises(UserError, match=r"test has the classes \['dog'\], expected \['cat'\]"):
        folder_data(tmp_path)


def test_bad_folders(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        folder_data(tmp_path / "absent")
    with pytest.raises(UserError, match="no images"):
        folder_data(tmp_path)
    with pytest.raises(UserError, match="memory_limit is -1"):
        folder_data(tmp_path, memory_limit=-1)
    save_image(tmp_path / "a.png", 0, mode="L")
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(UserError, match=r"broken\.png"):
        folder_data(tmp_path).setup()
    save_image(tmp_path / "cat" / "b.png", 0, mode="L")
    with pytest.raises(UserError, match="mixes"):
        folder_data(tmp_path)


def test_the_hash_is_of_names_sizes_and_times(tmp_path):
    file = tmp_path / "a.png"
    file.write_bytes(b"12")

    def sha(label=0):
        return FileImages([file], torch.tensor([label]), 1, 8).key()

    before = sha()
    assert before == sha() != sha(1)
    file.write_bytes(b"123")
    assert sha() != before


def test_images_in_memory_are_decoded_once_by_setup_or_when_one_is_needed(tmp_path, monkeypatch):
    for name in "abc":
        save_image(tmp_path / f"{name}.png", ord(name), mode="L")
    decoded = []
    monkeypatch.setattr(
        "diffusion_lightning.data.image_folder.read_image",
        lambda file, *options: decoded.append(file.stem) or read_image(file, *options),
    )
    data = folder_data(tmp_path, image_channels=1)
    data.find()
    keys = data.train_images.key(), data.test_images.key()
    (tmp_path / "b.png").touch()
    assert data.train_images.key() == keys[0]  # found once, however often it is asked for
    assert decoded == [] and data.train_images.shape == (1, 8, 8)
    assert data.test_images[torch.tensor([0])][0].unique().tolist() == [ord("a")]
    assert decoded == ["a"] and data.test_images.key() == keys[1]
    data.setup()
    assert decoded == ["a", "b", "c"] and data.train_images.key() == keys[0]
    assert data.train_images[torch.arange(2)][0][:, 0, 0, 0].tolist() == [ord("b"), ord("c")]
    assert decoded == ["a", "b", "c"]


def test_images_in_memory_are_found_as_on_disk_and_a_part_of_them_by_its_pixels(tmp_path):
    for name in "abc":
        save_image(tmp_path / f"{name}.png", ord(name), mode="L")
    data, streamed = folder_data(tmp_path), folder_data(tmp_path, memory_limit=0)
    data.setup()
    streamed.setup()
    whole = data.train_images
    assert isinstance(whole, TensorImages) and not isinstance(streamed.train_images, TensorImages)
    assert whole.key() == streamed.train_images.key() != whole.sha256()
    part = whole.part(torch.arange(1), whole.labels[:1])
    assert part.key() == part.sha256()
