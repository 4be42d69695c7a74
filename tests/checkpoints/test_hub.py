"""`hf:owner/name`: what is fetched, what is refused, and what an interrupted transfer leaves behind."""

import json
import os
import time
from pathlib import Path

import pytest

import diffusion_lightning as dl
from diffusion_lightning.checkpoints.hub import code_among, fetched
from diffusion_lightning.checkpoints.reader import denoiser_weights, read_checkpoint
from diffusion_lightning.checkpoints.safetensors_file import MODEL, write_model
from diffusion_lightning.checkpoints.trust import build_trusted
from diffusion_lightning.errors import UserError
from diffusion_lightning.training.init import initialize
from tests.support.command import ROOT
from tests.support.hub import local_hub
from tests.support.in_process import succeed_here

RUN = ROOT / "tests" / "made_at_e9b7708" / "linear"
NAME = "some-one/digits.v1"


@pytest.fixture(scope="module")
def content(tmp_path_factory):
    file = tmp_path_factory.mktemp("model") / MODEL
    write_model(read_checkpoint(RUN), file)
    return file.read_bytes()


@pytest.fixture
def hub(tmp_path, monkeypatch):
    monkeypatch.setattr(time, "sleep", lambda _: None)  # between the library's tries
    with local_hub(tmp_path / "cache") as hub:
        yield hub


def left(tmp_path):
    """The files in the cache that hold something of a repository."""
    bookkeeping = {"CACHEDIR.TAG", ".gitignore"}
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file() or path.is_symlink()]
    return [
        path for path in files if not ({".locks", "refs"} & set(path.parts)) and path.name not in bookkeeping
    ]


def test_a_model_of_the_hub_draws_what_its_run_draws(hub, content):
    commit = hub.add(NAME, {MODEL: content, "README.md": b"# digits", ".gitattributes": b""})
    options = {"num_images": 2, "sampler": dl.DDIM(3), "progress": False}
    model = dl.load(f"hf:{NAME}", device="cpu")
    assert model.sample(**options).equal(dl.load(RUN, device="cpu").sample(**options))
    assert fetched(NAME).parent.name == commit
    assert len(hub.downloads()) == 1, "the second time it is in the cache"


def test_a_revision_is_a_branch_a_tag_or_a_commit(hub, content):
    first = hub.add(NAME, {MODEL: content})
    other = hub.add(NAME, {MODEL: content, "README.md": b"2"})
    hub.add(NAME, {MODEL: content, "README.md": b"3"}, revision="v1.0")
    assert fetched(NAME).parent.name == other == fetched(f"{NAME}@main").parent.name
    assert fetched(f"{NAME}@{first}").parent.name == first
    assert fetched(f"{NAME}@v1.0").parent.name == hub.repositories[NAME]["v1.0"]


def test_an_interrupted_download_is_resumed(hub, content, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 250)  # 10 MB
    hub.add(NAME, {MODEL: content})
    hub.breaks_after = 1000
    assert fetched(NAME).read_bytes() == content
    assert [entry[2] for entry in hub.downloads()] == [None, "bytes=1000-"]


@pytest.mark.parametrize("endings", [MODEL, "README.md"])
def test_a_file_with_another_hash_is_removed(hub, content, tmp_path, endings, monkeypatch):
    hub.add(NAME, {MODEL: content, "README.md": b"# A page of some length"})
    monkeypatch.setattr("diffusion_lightning.checkpoints.hub.MODEL", endings)
    hub.spoils = True
    with pytest.raises(UserError, match=f"{endings} is not the file that the hub describes") as error:
        fetched(NAME)
    assert "\n" not in str(error.value) and not left(tmp_path)
    hub.spoils = False
    assert fetched(NAME).stat().st_size > 8


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (f"{NAME}@nothing", "no such revision"),
        ("some-one/nothing", "no such repository, or it is private"),
        ("nothing", "must be owner/name"),
        (f"{NAME}/{MODEL}", "must be owner/name"),
        ("", "must be owner/name"),
    ],
)
def test_a_name_that_means_nothing_is_one_line(hub, content, tmp_path, name, said):
    hub.add(NAME, {MODEL: content})
    with pytest.raises(UserError, match=said) as error:
        read_checkpoint(f"hf:{name}")
    assert "\n" not in str(error.value) and not left(tmp_path)


def test_a_repository_without_our_file_says_what_it_holds(hub, tmp_path):
    hub.add(NAME, {"config.json": b"{}", "a.md": b"", "b.md": b"", "c.md": b"", "d.md": b""})
    with pytest.raises(UserError, match=f"has no {MODEL}.* a.md, b.md, c.md and 2 more files"):
        fetched(NAME)
    assert not left(tmp_path)


@pytest.mark.parametrize(
    "code",
    [
        *("train.py", "weights.bin", "x.pkl", "deep/folder/x.pt", "a.ckpt", "a.PTH", "a.npy", "a.tar.gz"),
        *("a.zip", "run.sh", "a.safetensors.py", ".py", "a.h5", "a.ipynb", "a.so", "a.pt2", "a.joblib"),
    ],
)
def test_a_repository_that_may_hold_code_is_not_touched(hub, content, tmp_path, code):
    hub.add(NAME, {MODEL: content, code: b"x"})
    with pytest.raises(UserError) as error:
        fetched(NAME)
    assert code in str(error.value) and not hub.downloads() and not left(tmp_path)


def test_data_are_no_code():
    assert not code_among([MODEL, "README.md", ".gitattributes", "LICENSE", "unet/config.json", "a/b.png"])


def test_without_the_network_and_the_cache_it_is_one_line(hub, content, tmp_path, monkeypatch):
    hub.add(NAME, {MODEL: content})
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(UserError, match="cannot be reached, and is not in the cache") as error:
        fetched(NAME)
    assert "\n" not in str(error.value) and not left(tmp_path)


@pytest.mark.parametrize("fault", ["down", "off", "offline"])
def test_without_the_network_the_cache_is_taken(hub, content, fault, monkeypatch):
    commit = hub.add(NAME, {MODEL: content})
    fetched(NAME)
    hub.down = fault == "down"
    if fault == "off":
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", fault == "offline")
    assert fetched(NAME).parent.name == commit == fetched(f"{NAME}@{commit}").parent.name
    with pytest.raises(UserError, match="cannot be reached, and is not in the cache"):
        fetched(f"{NAME}@other")


def test_a_transfer_that_fails_leaves_nothing(hub, content, tmp_path):
    hub.add(NAME, {MODEL: content})
    hub.refuses = "GET", "/resolve/"
    with pytest.raises(UserError, match="the hub refuses it") as error:
        fetched(NAME)
    assert "\n" not in str(error.value) and not left(tmp_path)
    hub.refuses = None
    assert fetched(NAME).read_bytes() == content


def test_the_librarys_token_is_sent_and_written_nowhere(hub, content, tmp_path):
    hub.add(NAME, {MODEL: content})
    fetched(NAME)
    assert hub.tokens == {os.environ["HF_TOKEN"]}
    assert not [p for p in Path(tmp_path).rglob("*") if p.is_file() and b"hf_secret" in p.read_bytes()]


def test_every_command_takes_a_name_of_the_hub_and_says_which_commit_it_took(hub, content, tmp_path):
    commit = hub.add(NAME, {MODEL: content})
    quick = ["device=cpu", "speed=plain", "sampler.steps=2", "num_images=2"]
    done = succeed_here("sample.py", f"checkpoint=hf:{NAME}@main", *quick, "out=drawn", cwd=tmp_path)
    assert f"hf:{NAME}@main is revision {commit}" in done.stdout
    assert commit in json.loads((tmp_path / "drawn" / "sampling.json").read_text())["checkpoint"]
    checkpoint = read_checkpoint(RUN)
    config = checkpoint["hyper_parameters"]
    parts = (config[name] for name in ("network", "schedule", "parameterization"))
    denoiser = dl.Denoiser(*(build_trusted("part", part, object) for part in parts))
    initialize(denoiser, f"hf:{NAME}", config["parameterization"])
    for name, weight in denoiser_weights(checkpoint).items():
        assert denoiser.state_dict()[name].equal(weight)
