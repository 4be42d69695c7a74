import os
import struct

import numpy as np
import pytest

from diffusion_lightning.data import MNIST, FashionMNIST
from diffusion_lightning.data.base import TensorImages
from diffusion_lightning.errors import UserError
from tests.support.data import batches_of

RNG = np.random.default_rng(0)


def write_idx(path, array):
    header = struct.pack(">HBB" + "I" * array.ndim, 0, 8, array.ndim, *array.shape)
    path.write_bytes(header + array.tobytes())


def write_mnist(root):
    """A few images of both splits in MNIST's format, and what they hold."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    truth = {}
    for split, n in (("train", 6), ("t10k", 4)):
        truth[split] = (
            RNG.integers(0, 256, (n, 28, 28), dtype=np.uint8),
            np.arange(n, dtype=np.uint8),
        )
        write_idx(raw / f"{split}-images-idx3-ubyte", truth[split][0])
        write_idx(raw / f"{split}-labels-idx1-ubyte", truth[split][1])
    return truth


def test_mnist_reads_the_original_format(tmp_path):
    truth = write_mnist(tmp_path)
    data = MNIST(str(tmp_path), 4, 1, 28, 10)
    data.prepare_data()
    ((x, y),) = batches_of(data, train=False)
    np.testing.assert_allclose(x[:, 0], truth["t10k"][0] / 127.5 - 1, atol=1e-6)
    np.testing.assert_array_equal(y, truth["t10k"][1])


def test_statistics_are_found_by_the_files_and_no_pixel_is_hashed(tmp_path, monkeypatch):
    write_mnist(tmp_path)
    monkeypatch.setattr(TensorImages, "sha256", lambda self: pytest.fail("all pixels were read"))

    def key(train=True):
        return MNIST(str(tmp_path), 4, 1, 28, 10).load(train).key()

    before = key()
    assert key() == before != key(train=False)
    os.utime(tmp_path / "MNIST" / "raw" / "train-labels-idx1-ubyte", (1, 1))
    assert key() != before


@pytest.mark.parametrize("damage", [b"", b"garbage!", b"\0\0\x08\x03", b"\0\0\x08\x01\0\0\0\x09ab"])
def test_damaged_mnist_is_one_line(damage, tmp_path):
    raw = tmp_path / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name in ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        (raw / f"{name}-ubyte").write_bytes(damage)
    with pytest.raises(UserError, match=r"FashionMNIST.*train-labels-idx1-ubyte\.gz") as error:
        FashionMNIST(str(tmp_path), 4, 1, 28, 10).load(train=True)
    assert "\n" not in str(error.value) and str(raw) in str(error.value)
