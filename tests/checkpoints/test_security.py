"""Nothing that is loaded runs code, nothing is written elsewhere, and nothing is told to anybody."""

import hashlib
import io
import os
import pickle
import re
import socket
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from omegaconf import OmegaConf

from diffusion_lightning.checkpoints.reader import load_test_images
from diffusion_lightning.commands.resolvers import job_folder
from diffusion_lightning.data import CIFAR10
from diffusion_lightning.data.cifar10 import extract
from diffusion_lightning.data.pickled import load_arrays
from diffusion_lightning.errors import UserError
from tests.support.command import ROOT
from tests.support.in_process import run_here
from tests.support.runs import start, train_in

SOURCES = [*(ROOT / "diffusion_lightning").rglob("*.py"), *ROOT.glob("*.py")]


class Code:
    def __reduce__(self):
        return Path.touch, (Path("executed"),)


class Import:
    """What looks harmless: a name of NumPy's that is no part of an array."""

    def __reduce__(self):
        return np.save, ("executed", np.zeros(1))


@pytest.mark.parametrize(
    "call", [r"pickle\.loads?\(", r"yaml\.(unsafe_)?load\(", r"(?<![.\w])(eval|exec)\(", r"shell=True"]
)
def test_no_source_calls_what_may_run_a_files_code(call):
    assert not [path for path in SOURCES if re.search(call, path.read_text())]


def test_every_load_is_told_to_run_no_code():
    calls = [
        (path.name, call)
        for path in SOURCES
        for call in re.findall(r"(?:torch|np)\.load\(.*|trainer\.fit\(.*ckpt_path.*", path.read_text())
    ]
    assert len(calls) >= 4
    assert all("weights_only=True" in call or "allow_pickle=False" in call for _, call in calls), calls


@pytest.mark.parametrize(
    "evil",
    [Code(), {"data": Code()}, Import(), os.system, [Path("x")]],
    ids=["code", "inside", "numpy", "function", "path"],
)
def test_a_pickled_data_set_runs_no_code(evil, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "batch").write_bytes(pickle.dumps(evil))
    with pytest.raises(pickle.UnpicklingError, match="wants to run"):
        load_arrays(tmp_path / "batch")
    assert [path.name for path in tmp_path.iterdir()] == ["batch"]


def test_even_a_batch_of_the_right_checksum_runs_no_code(tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR10 as Torchvision

    monkeypatch.chdir(tmp_path)
    (tmp_path / "cifar-10-batches-py").mkdir()
    content = pickle.dumps({"data": Code(), "labels": [0]})
    (tmp_path / "cifar-10-batches-py" / "test_batch").write_bytes(content)
    monkeypatch.setattr(Torchvision, "test_list", [["test_batch", hashlib.md5(content).hexdigest()]])
    with pytest.raises(UserError, match="CIFAR-10"):
        CIFAR10(str(tmp_path), 1, 3, 32, 10).load(train=False)
    assert not (tmp_path / "executed").exists()


def test_arrays_of_python_2_are_read(tmp_path):
    """As CIFAR-10's files are: protocol 2, texts of bytes, an array where NumPy 1 had it."""
    batch = (
        b"\x80\x02}U\x04datacnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x03\x85cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff"
        b"\xff\xffK\x00tb\x89U\x03\x07\x08\xfftbs."
    )
    (tmp_path / "batch").write_bytes(batch)
    loaded = load_arrays(tmp_path / "batch")
    assert (
        list(loaded) == ["data"]
        and loaded["data"].dtype == np.uint8
        and loaded["data"].tolist() == [7, 8, 255]
    )


def archive(path, *members):
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members:
            entry = tarfile.TarInfo(name)
            if isinstance(content, str):
                entry.type, entry.linkname = tarfile.SYMTYPE, content
                tar.addfile(entry)
            else:
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
    return path


def test_an_archive_writes_nothing_but_what_is_asked_for(tmp_path):
    inside = tmp_path / "data"
    inside.mkdir()
    names = ["../outside", "/tmp/outside-diffusion-lightning", "batches/../../outside", "batches/other"]
    evil = archive(inside / "a.tar.gz", *((name, b"evil") for name in names), ("batches/one", b"good"))
    extract(evil, [inside / "batches" / "one"])
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"data/a.tar.gz", "data/batches/one"}
    assert not Path("/tmp/outside-diffusion-lightning").exists()


@pytest.mark.parametrize("target", ["/etc/passwd", "../../secret"])
def test_a_link_in_an_archive_leads_nowhere(target, tmp_path):
    (tmp_path / "secret").write_text("secret")
    evil = archive(tmp_path / "a.tar.gz", ("batches/one", target))
    with pytest.raises((KeyError, tarfile.TarError)):
        extract(evil, [tmp_path / "data" / "batches" / "one"])
    assert not (tmp_path / "data").exists()


def test_a_checkpoint_cannot_choose_a_folder_to_download_into(tmp_path):
    named = tmp_path / "chosen by a stranger"
    data = {"_target_": "diffusion_lightning.data.MNIST", "data_dir": str(named), "batch_size": 1}
    data |= {"image_channels": 1, "image_size": 28, "num_classes": 10}
    with pytest.raises(UserError, match="data_dir="):
        load_test_images(data, [0])
    assert not named.exists()


@pytest.mark.parametrize(
    "overrides",
    ["../../x", "/etc/x", "a=../../x", "..", ".", "", "a=b\x00c", "a=b\nc", "a=" + "ü" * 300, "a='x y'", "~"],
)
def test_a_jobs_folder_is_one_name(overrides):
    name = job_folder(overrides, _root_=OmegaConf.create())
    assert name not in ("", ".", "..") and "/" not in name and name.isprintable()
    assert len(name.encode()) <= 255 and (Path("sweep") / name).resolve().parent == Path("sweep").resolve()


def test_training_talks_to_nobody(tmp_path, monkeypatch):
    def refuse(self, address, *_):
        raise AssertionError(f"a connection to {address}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket.socket, "connect_ex", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    train_in(tmp_path, "trainer.max_epochs=1", "callbacks=fid", "callbacks.fid.num_images=4")


@pytest.mark.slow
def test_no_file_of_a_run_holds_the_key_of_wandb(tmp_path, monkeypatch):
    import wandb

    key = "0123456789abcdef" * 2 + "deadbeef"
    monkeypatch.setenv("WANDB_API_KEY", key)
    monkeypatch.setenv("WANDB_SILENT", "true")
    options = ["trainer.max_epochs=1", "network.width=8", "trainer.limit_train_batches=2", "sampler.steps=2"]
    done = run_here("train.py", *options, "logger=wandb", "logger.wandb.offline=true", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    wandb.teardown()  # its own process has then written all
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"last.ckpt", "metrics.csv", "config.yaml"} <= {path.name for path in files}
    assert any(path.suffix == ".wandb" and b"warmup_images" in path.read_bytes() for path in files)
    assert not [path for path in files if key.encode() in path.read_bytes()]
    assert key not in done.stdout + done.stderr


def train_without_wandb(folder):
    train_in(folder, "trainer.max_epochs=1")
    assert not any(name.startswith("wandb.sdk") for name in sys.modules)


@pytest.mark.slow
def test_wandb_is_imported_only_when_asked_for(tmp_path):
    process = start(train_without_wandb, tmp_path / "run")
    process.join()
    assert process.exitcode == 0 and (tmp_path / "run" / "metrics.csv").exists()
