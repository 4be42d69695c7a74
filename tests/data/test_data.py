import pickle
import struct
from urllib.error import URLError

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_lightning.data import CIFAR10, MNIST, Digits, FashionMNIST, ImageFolder
from diffusion_lightning.data.base import TensorImages
from diffusion_lightning.data.batches import BatchSampler
from diffusion_lightning.data.image_folder import decode
from diffusion_lightning.errors import UserError

RNG = np.random.default_rng(0)


def digits(**kwargs):
    return Digits("", **{"batch_size": 64, "image_channels": 1, "image_size": 8, "num_classes": 10} | kwargs)


def batches_of(data, train):
    data.setup()
    loader = data.train_dataloader() if train else data.val_dataloader()
    return [data.on_after_batch_transfer(batch, 0) for batch in loader]


def test_digits_are_scikit_learns():
    from sklearn.datasets import load_digits

    truth = load_digits()
    x, y = (torch.cat(parts) for parts in zip(*batches_of(digits(), train=False), strict=True))
    assert x.dtype == torch.float32 and x.shape == (297, 1, 8, 8)
    expected = np.round(truth.images[1500:] * 255 / 16) / 127.5 - 1
    np.testing.assert_allclose(x[:, 0], expected, atol=1e-6)
    np.testing.assert_array_equal(y, truth.target[1500:])


def test_order_is_a_function_of_seed_and_epoch():
    def order(seed, epoch):
        batches = BatchSampler(100, 10, seed, flip=True)
        batches.set_epoch(epoch)
        return [torch.cat(parts) for parts in zip(*batches, strict=True)]

    again = order(0, 1)
    assert all(torch.equal(a, b) for a, b in zip(order(0, 1), again, strict=True))
    assert again[0].sort().values.equal(torch.arange(100))
    assert not order(0, 2)[0].equal(again[0]) and not order(1, 1)[0].equal(again[0])
    assert 20 < again[1].sum() < 80


def test_training_drops_the_rest_and_validation_keeps_it():
    sizes = {train: [len(i) for i, _ in BatchSampler(21, 8, train=train)] for train in (True, False)}
    assert sizes == {True: [8, 8], False: [8, 8, 5]}
    assert [len(i) for i, _ in BatchSampler(5, 8)] == [5]
    assert torch.cat([i for i, _ in BatchSampler(21, 8, train=False)]).equal(torch.arange(21))


@pytest.mark.parametrize("train", [True, False])
@pytest.mark.parametrize("num_images", [1, 2, 3, 17, 33, 34, 36])
def test_no_process_gets_an_empty_batch_or_loses_an_image(num_images, train):
    shares = [list(BatchSampler(num_images, 4, 0, train, rank=r, world_size=4)) for r in range(4)]
    assert len({len(share) for share in shares}) == 1
    assert all(len(indices) for share in shares for indices, _ in share)
    seen = torch.cat([indices for share in shares for indices, _ in share])
    expected = 32 if train and num_images > 32 else 16 if train and num_images > 16 else num_images
    assert len(seen.unique()) == expected
    assert len(seen) == expected or num_images < 4


@pytest.mark.parametrize("num_images", [2, 5, 16, 37])
@pytest.mark.parametrize("train", [True, False])
def test_two_processes_see_the_batches_of_one(num_images, train):
    one = list(BatchSampler(num_images, 8, train=train))
    two = [list(BatchSampler(num_images, 4, train=train, rank=r, world_size=2)) for r in (0, 1)]
    assert len(one) == len(two[0]) == len(two[1]) > 0
    for whole, *parts in zip(one, *two, strict=True):
        assert whole[0].sort().values.equal(torch.cat([p[0] for p in parts]).sort().values)


def test_flips_mirror_and_spare_validation():
    data = digits(flip=True)
    plain, flipped = batches_of(digits(), True), batches_of(data, True)
    mirrored = 0
    for (x, _), (f, _) in zip(plain, flipped, strict=True):
        same, mirror = ((f == z).flatten(1).all(1) for z in (x, x.flip(-1)))
        assert (same | mirror).all()
        mirrored += (mirror & ~same).sum().item()
    assert 0.4 < mirrored / 1500 < 0.6
    pairs = zip(batches_of(digits(), False), batches_of(data, False), strict=True)
    assert all(a[0].equal(b[0]) for a, b in pairs)


def write_idx(path, array):
    header = struct.pack(">HBB" + "I" * array.ndim, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


def test_mnist_reads_the_original_format(tmp_path):
    raw = tmp_path / "MNIST" / "raw"
    raw.mkdir(parents=True)
    truth = {}
    for split, n in (("train", 6), ("t10k", 4)):
        truth[split] = (
            RNG.integers(0, 256, (n, 28, 28), dtype=np.uint8),
            np.arange(n, dtype=np.uint8),
        )
        write_idx(raw / f"{split}-images-idx3-ubyte", truth[split][0])
        write_idx(raw / f"{split}-labels-idx1-ubyte", truth[split][1])
    data = MNIST(str(tmp_path), 4, 1, 28, 10)
    data.prepare_data()
    ((x, y),) = batches_of(data, train=False)
    np.testing.assert_allclose(x[:, 0], truth["t10k"][0] / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(y, truth["t10k"][1])


@pytest.mark.parametrize("damage", [b"", b"garbage!", b"\0\0\x08\x03", b"\0\0\x08\x01\0\0\0\x09ab"])
def test_damaged_mnist_is_one_line(damage, tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{name}-ubyte").write_bytes(damage)
    with pytest.raises(UserError, match=r"FashionMNIST.*train-labels-idx1-ubyte\.gz") as error:
        FashionMNIST(str(tmp_path), 4, 1, 28, 10).load(train=True)
    assert "\n" not in str(error.value) and str(raw) in str(error.value)


def test_cifar10_reads_the_original_format(tmp_path, monkeypatch):
    import hashlib

    from torchvision.datasets import CIFAR10 as Torchvision

    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()

    def write(name, content):
        (folder / name).write_bytes(pickle.dumps(content, protocol=4))
        return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

    pixels = RNG.integers(0, 256, (5, 3072), dtype=np.uint8)
    batch = {"data": pixels, "labels": [0, 1, 2, 3, 9]}
    monkeypatch.setattr(Torchvision, "train_list", [write("data_batch_1", batch)])
    monkeypatch.setattr(Torchvision, "test_list", [write("test_batch", batch)])
    data = CIFAR10(str(tmp_path), 5, 3, 32, 10)
    data.prepare_data()
    ((x, y),) = batches_of(data, train=False)
    np.testing.assert_allclose(x, pixels.reshape(5, 3, 32, 32) / 127.5 - 1, atol=1e-6)
    assert y.tolist() == [0, 1, 2, 3, 9]
    (folder / "test_batch").write_bytes(b"changed")
    with pytest.raises(UserError, match="CIFAR-10"):
        CIFAR10(str(tmp_path), 5, 3, 32, 10).load(train=False)


@pytest.mark.parametrize(
    ("kind", "size", "file"),
    [(MNIST, 28, "train-images-idx3"), (CIFAR10, 32, "cifar-10-python.tar.gz")],
)
def test_no_network_says_which_file_to_put_where(kind, size, file, tmp_path, monkeypatch):
    def no_network(*_, **__):
        raise URLError("no network")

    monkeypatch.setattr("urllib.request.urlopen", no_network)
    data = kind(str(tmp_path / "data"), 4, 1, size, 10)
    with pytest.raises(UserError, match=file) as error:
        data.prepare_data()
    assert str(tmp_path / "data") in str(error.value) and "\n" not in str(error.value)
    assert error.value.__cause__ is None and error.value.__suppress_context__


def save(path, colour, size=(40, 30), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path)


def folder_data(root, **kwargs):
    return ImageFolder(str(root), **{"image_channels": 3, "image_size": 8, "batch_size": 4} | kwargs)


def test_class_folders_with_splits(tmp_path):
    for split in ("train", "test"):
        save(tmp_path / split / "cat" / "a b.png", (255, 0, 0))
        save(tmp_path / split / "dog é" / "1.jpg", (0, 0, 255))
    data = folder_data(tmp_path)
    assert (data.num_classes, data.class_names) == (2, ["cat", "dog é"])
    ((x, y),) = batches_of(data, train=False)
    assert y.tolist() == [0, 1]
    torch.testing.assert_close(x[0, :, 4, 4], torch.tensor([1.0, -1.0, -1.0]))


def test_flat_folder_has_no_classes_and_keeps_every_20th_for_testing(tmp_path):
    for i in range(41):
        save(tmp_path / f"{i:02}.png", i, mode="L")
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


def test_only_a_set_on_disk_is_given_workers(tmp_path):
    for i in range(8):
        save(tmp_path / f"{i}.png", (i, 2 * i, 3 * i))
    memory, disk = (folder_data(tmp_path, num_workers=1, memory_limit=m) for m in (4e9, 0))
    memory.setup()
    disk.setup()
    assert isinstance(memory.train_images, TensorImages)
    assert len(memory.train_images) == len(disk.train_images) == 7
    assert memory.train_dataloader().num_workers == 0 and disk.train_dataloader().num_workers == 1
    for a, b in zip(memory.train_dataloader(), disk.train_dataloader(), strict=True):
        assert a[0].equal(b[0]) and a[1].equal(b[1])


def test_class_names_fix_the_order_of_the_labels(tmp_path):
    for split, name in (("train", "cat"), ("train", "dog"), ("val", "cat"), ("val", "dog")):
        save(tmp_path / split / name / "deep" / "1.png", 0)
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


GREYS = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)
WHITE, RED, GREEN = (255, 255, 255), (255, 0, 0), (0, 255, 0)


def palette(transparency=None):
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    return image, {} if transparency is None else {"transparency": transparency}


def half_hidden(mode, hidden, shown):
    image = Image.new(mode, (2, 1), hidden)
    image.putpixel((1, 0), shown)
    return image, {}


def animated():
    first, second = (Image.new("RGB", (2, 1), colour) for colour in (GREEN, RED))
    return first, {"save_all": True, "append_images": [second]}


def one_bit():
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    return image, {}


@pytest.mark.parametrize(
    ("name", "written", "pixels"),
    [
        ("palette.png", palette(), [RED, GREEN]),
        ("palette.gif", palette(), [RED, GREEN]),
        ("transparent palette.png", palette(0), [WHITE, GREEN]),
        ("transparent colour.png", (Image.new("RGB", (2, 1), RED), {"transparency": RED}), [WHITE, WHITE]),
        ("rgba.png", half_hidden("RGBA", (0, 0, 0, 0), (*RED, 255)), [WHITE, RED]),
        ("half seen.png", half_hidden("RGBA", (0, 0, 0, 51), (*RED, 255)), [(204,) * 3, RED]),
        ("rgba.webp", half_hidden("RGBA", (0, 0, 0, 0), (*RED, 255)), None),
        ("la.png", half_hidden("LA", (0, 0), (9, 255)), [WHITE, (9,) * 3]),
        ("1 bit.png", one_bit(), [(0,) * 3, WHITE]),
        ("1 bit.bmp", one_bit(), [(0,) * 3, WHITE]),
        ("cmyk.tiff", (Image.new("CMYK", (2, 1), (0, 255, 255, 0)), {}), [RED, RED]),
        ("cmyk.jpg", (Image.new("CMYK", (2, 1), (0, 255, 255, 0)), {"quality": 100}), [RED, RED]),
        ("animated.gif", animated(), [GREEN, GREEN]),
        ("animated.png", animated(), [GREEN, GREEN]),
        ("animated.webp", animated(), None),
    ],
)
def test_any_kind_of_image_decodes_to_what_is_seen(name, written, pixels, tmp_path):
    image, options = written
    image.save(tmp_path / name, **options)
    seen = np.asarray(decode(tmp_path / name, 3))
    if pixels is None:  # lossy
        pixels = [GREEN, GREEN] if name.startswith("animated") else [WHITE, RED]
        np.testing.assert_allclose(seen[0], pixels, atol=90)
    else:
        np.testing.assert_array_equal(seen[0], pixels)
    grey = np.asarray(decode(tmp_path / name, 1))
    np.testing.assert_array_equal(grey, np.asarray(Image.fromarray(seen).convert("L")))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@pytest.mark.parametrize("kind", ["png", "tiff", "pgm"])
def test_16_bits_become_8_instead_of_white(kind, dtype, tmp_path):
    path = tmp_path / f"deep.{kind}"
    deep = GREYS.astype(dtype) * 257
    if kind == "pgm":
        path.write_bytes(b"P5 8 8 65535\n" + deep.astype(">u2").tobytes())
    elif (kind, dtype) == ("png", np.int32):
        pytest.skip("no such PNG")
    else:
        Image.fromarray(deep).save(path)
    for channels in (1, 3):
        seen = np.asarray(decode(path, channels)).reshape(8, 8, -1)
        np.testing.assert_array_equal(seen, np.repeat(GREYS[..., None], channels, 2))


@pytest.mark.parametrize("size", [(1, 1), (1, 3000), (3000, 1), (5000, 4000)])
def test_tiny_thin_and_large_images_are_resized(size, tmp_path):
    save(tmp_path / "é 1.png", (10, 20, 30), size)
    ((x, _),) = batches_of(folder_data(tmp_path), train=True)
    seen = ((x + 1) * 127.5).round()
    assert seen.shape == (1, 3, 8, 8) and (seen == torch.tensor([10, 20, 30]).view(3, 1, 1)).all()


def unreadable_images(folder):
    save(folder / "good.png", RED, (60, 60))
    good = (folder / "good.png").read_bytes()
    Image.fromarray(RNG.integers(0, 256, (60, 60, 3), dtype=np.uint8)).save(folder / "good.jpg")
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("hello")
    (folder / "half.png").write_bytes(good[: len(good) // 2])
    (folder / "half.jpg").write_bytes((folder / "good.jpg").read_bytes()[:900])
    (folder / "link.png").symlink_to(folder / "absent.png")
    Image.fromarray(np.full((2, 2), 0.5, np.float32)).save(folder / "float.tiff")
    Image.fromarray(np.full((2, 2), 70_000, np.int32)).save(folder / "32 bit.tiff")
    # A header that says 30,000 x 30,000
    (folder / "bomb.png").write_bytes(good[:16] + struct.pack(">II", 30_000, 30_000) + good[24:])


@pytest.mark.parametrize(
    "name",
    ["empty.png", "text.png", "half.png", "half.jpg", "link.png", "float.tiff", "32 bit.tiff", "bomb.png"],
)
def test_an_unreadable_image_is_one_line_that_names_it(name, tmp_path):
    everything, alone = tmp_path / "everything", tmp_path / "alone"
    everything.mkdir()
    alone.mkdir()
    unreadable_images(everything)
    (everything / name).rename(alone / name)
    (everything / "good.png").rename(alone / "good.png")
    with pytest.raises(UserError, match=name) as error:
        folder_data(alone).setup()
    assert "\n" not in str(error.value)


def test_a_folder_named_like_an_image_is_a_folder(tmp_path):
    save(tmp_path / "cat.png" / "1.png", RED)
    save(tmp_path / "dog" / "1.png", RED)
    assert folder_data(tmp_path).class_names == ["cat.png", "dog"]


def test_an_error_in_a_worker_is_one_line(tmp_path):
    from diffusion_lightning.commands.messages import user_message

    for i in range(3):
        save(tmp_path / f"{i}.png", RED)
    (tmp_path / "2.png").write_bytes(b"")
    data = folder_data(tmp_path, memory_limit=0, num_workers=1)
    data.setup()
    with pytest.raises(UserError) as error:
        list(data.train_dataloader())
    message = user_message(error.value)
    assert message.startswith(str(tmp_path / "2.png")) and "\n" not in message


def test_splits_with_different_classes(tmp_path):
    save(tmp_path / "train" / "cat" / "1.png", 0)
    with pytest.raises(UserError, match="no test/ or val/"):
        folder_data(tmp_path)
    save(tmp_path / "test" / "dog" / "1.png", 0)
    with pytest.raises(UserError, match=r"test has the classes \['dog'\], expected \['cat'\]"):
        folder_data(tmp_path)


def test_bad_folders(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        folder_data(tmp_path / "absent")
    with pytest.raises(UserError, match="no images"):
        folder_data(tmp_path)
    with pytest.raises(UserError, match="memory_limit is -1"):
        folder_data(tmp_path, memory_limit=-1)
    save(tmp_path / "a.png", 0, mode="L")
    (tmp_path / "broken.png").write_bytes((tmp_path / "a.png").read_bytes()[:40])
    with pytest.raises(UserError, match=r"broken\.png"):
        folder_data(tmp_path).setup()
    save(tmp_path / "cat" / "b.png", 0, mode="L")
    with pytest.raises(UserError, match="mixes"):
        folder_data(tmp_path)


def test_bad_facts():
    with pytest.raises(UserError, match="image_size"):
        digits(image_size=16).setup()
    with pytest.raises(UserError, match="num_classes=10"):
        digits(num_classes=9).setup()
    for batch_size in (0, 1.5, True, None):
        with pytest.raises(UserError, match="batch_size"):
            digits(batch_size=batch_size)
    for name in ("num_classes", "num_workers", "seed"):
        with pytest.raises(UserError, match=name):
            digits(**{name: -1})
