import hashlib

import pytest

from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.cache import CACHE, cache_folder
from diffusion_lightning.evaluation.extractors.weights import INCEPTION, Download, fetch
from tests.support.in_process import run_here


@pytest.fixture
def online(tmp_path, monkeypatch):
    """A file with a URL, and an empty cache."""
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "weights.pth").write_bytes(b"weights")
    monkeypatch.setenv(CACHE, str(tmp_path / "cache"))
    url = (tmp_path / "net" / "weights.pth").as_uri()
    return Download(url, "a project", hashlib.sha256(b"weights").hexdigest())


def test_fetched_once_and_checked(online, tmp_path):
    file = fetch(online)
    assert file == cache_folder() / "weights.pth" == tmp_path / "cache" / "weights.pth"
    (tmp_path / "net" / "weights.pth").unlink()
    assert fetch(online).read_bytes() == b"weights"
    file.write_bytes(b"damaged")
    with pytest.raises(UserError, match="damaged"):
        fetch(online)


def test_a_file_with_another_hash_never_reaches_the_cache(online, tmp_path):
    with pytest.raises(UserError, match=r"weights\.pth from a project"):
        fetch(Download(online.url, online.owner, "0" * 64))
    assert list((tmp_path / "cache").iterdir()) == []


def test_offline_the_command_says_what_to_do(tmp_path, monkeypatch):
    """The proxy does not exist, so nothing is downloaded even with a network."""
    monkeypatch.setenv(CACHE, str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    done = run_here("diffusion_lightning/commands/prefetch.py", cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    for part in (
        INCEPTION.url.rpartition("/")[2],
        "torch-fidelity",
        "commands.prefetch",
        str(tmp_path),
        CACHE,
    ):
        assert part in done.stderr
