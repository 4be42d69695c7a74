"""Nothing outside the chosen folders is read."""

import os
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from diffusion_lightning.errors import UserError
from diffusion_lightning.page import places as module
from diffusion_lightning.page.places import Models, Places
from tests.support.command import ROOT

RUN = ROOT / "tests" / "made_at_e9b7708" / "linear"


@pytest.fixture
def places(tmp_path):
    """A folder with a run, another one that is no place, and a link out of the first."""
    for name in "inside/digits/one", "outside/one":
        shutil.copytree(RUN, tmp_path / name)
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside" / "one")
    linked = tmp_path / "inside" / "linked" / "checkpoints"
    linked.mkdir(parents=True)
    (linked / "last.ckpt").symlink_to(tmp_path / "outside" / "one" / "checkpoints" / "last.ckpt")
    return Places("zoo:digits", (tmp_path / "inside",))


def test_runs_below_the_folders_are_found_and_links_are_not_followed(places, tmp_path):
    assert str(tmp_path / "inside" / "digits" / "one") in places.runs()
    assert str(tmp_path / "inside" / "link") not in places.runs()
    assert places.models()[0] == "zoo:digits" and not any("outside" in name for name in places.models())
    assert Places("zoo:digits", (tmp_path / "absent",)).runs() == []


def test_what_is_inside_may_be_read(places, tmp_path):
    run = tmp_path / "inside" / "digits" / "one"
    for name in str(run), f"{run}/checkpoints/last.ckpt", f"{run}/../one", "zoo:digits":
        assert places.checkpoint(name) == name
    assert places.run(str(run)) == run


@pytest.mark.parametrize(
    "name", ["outside/one", "inside/../outside/one", "inside/link", "inside/linked", "", "/", "/etc/passwd"]
)
def test_what_is_outside_is_refused_before_it_is_looked_at(name, places, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match="is not below"):
        places.checkpoint(name)
    if name != "inside/linked":
        with pytest.raises(UserError, match="is not below"):
            places.run(name)


def test_the_first_model_may_lie_anywhere(tmp_path):
    start = str(RUN / "checkpoints" / "last.ckpt")
    assert Models(Places(start, (tmp_path,)))(start).shape == (1, 8, 8)


def test_a_model_that_takes_long_to_load_keeps_nobody_waiting(places, monkeypatch):
    begun, go_on = threading.Event(), threading.Event()

    def slow(name):
        if name == "zoo:mnist":
            begun.set()
            assert go_on.wait(30)
        return name

    monkeypatch.setattr(module, "load", slow)
    models = Models(places)
    with ThreadPoolExecutor(2) as pool:
        both = [pool.submit(models, "zoo:mnist") for _ in range(2)]
        assert begun.wait(30) and models("zoo:digits") == "zoo:digits"
        go_on.set()
        assert [future.result() for future in both] == ["zoo:mnist"] * 2


def test_what_could_not_be_loaded_is_tried_again(places, monkeypatch):
    answers = iter([UserError("the hub cannot be reached"), "the model"])

    def load(name):
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(module, "load", load)
    models = Models(places)
    with pytest.raises(UserError, match="cannot be reached"):
        models("hf:owner/name")
    assert models("hf:owner/name") == models("hf:owner/name") == "the model"


def test_a_model_is_loaded_once_until_its_run_has_trained_on(places, tmp_path):
    models, run = Models(places, {"weights": "raw"}), str(tmp_path / "inside" / "digits" / "one")
    first = models(run)
    assert models(run) is first and models.named(run) == {"checkpoint": run, "weights": "raw"}
    os.utime(f"{run}/checkpoints/last.ckpt", ns=(1, 1))
    assert models(run) is not first
