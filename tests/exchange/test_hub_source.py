"""Names on the hub become folders; nothing that could run is downloaded."""

from pathlib import Path

import huggingface_hub
import pytest

from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange.hub_source import local


def test_a_path_is_itself(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "snapshot_download", None)
    assert local(str(tmp_path)) == tmp_path


def test_a_name_is_downloaded_without_anything_that_could_run(tmp_path, monkeypatch):
    asked = []

    def download(name, revision, allow_patterns):
        asked.append((name, revision, allow_patterns))
        return str(tmp_path)

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    assert local("google/ddpm-cifar10-32", "abc") == tmp_path
    assert local("hf:google/ddpm-cifar10-32") == tmp_path
    (name, revision, patterns), again = asked
    assert (name, revision, again[:2]) == ("google/ddpm-cifar10-32", "abc", ("google/ddpm-cifar10-32", None))
    kept = [
        file
        for file in ("config.json", "unet/x.safetensors", "x.bin", "x.py", "unet/x.py", "x.pkl")
        if any(Path(file).match(pattern) for pattern in patterns)
    ]
    assert kept == ["config.json", "unet/x.safetensors"]


def test_without_a_network_there_is_one_line(monkeypatch):
    def download(*_, **__):
        raise ConnectionError("a\nb")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", download)
    with pytest.raises(UserError, match=r"at revision=x \(ConnectionError\): check the name") as refused:
        local("google/ddpm-cifar10-32", "x")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("source", ["no/where/at/all", "nothing", "https://a.b/c"])
def test_what_is_no_path_and_no_name_is_refused(source):
    with pytest.raises(UserError, match="is not there; give a folder"):
        local(source)
