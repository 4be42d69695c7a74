import pickle

import numpy as np
import pytest

from diffusion_lightning.data import CIFAR10
from diffusion_lightning.errors import UserError
from diffusion_lightning.hashing import listing_sha256
from tests.support.data import batches_of

RNG = np.random.default_rng(0)


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
    assert data.test_images.key() == listing_sha256([folder / "test_batch"])
    (folder / "test_batch").write_bytes(b"changed")
    with pytest.raises(UserError, match="CIFAR-10"):
        CIFAR10(str(tmp_path), 5, 3, 32, 10).load(train=False)
