from urllib.error import URLError

import pytest

from diffusion_lightning.data import CIFAR10, MNIST
from diffusion_lightning.errors import UserError


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
