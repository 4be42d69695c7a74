"""Whether an evaluation is the same again: what its options say, and what is in the files that they name."""

import json

import numpy as np
import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from PIL import Image

from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.inputs import data_set
from diffusion_lightning.evaluation.record import ADDED, FORMAT, already_done, asked_for, overrides
from tests.support.configs import composed

OPTIONS = [
    *("samples=drawn.npz", "dataset=image_folder", "dataset.image_size=8", "data_dir=pictures"),
    *("extractor=mnist", "extractor.weights=mine.safetensors", "extractor.sha256=null", "out=out"),
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez("drawn.npz", np.zeros((2, 8, 8, 3), np.uint8))
    (tmp_path / "mine.safetensors").write_bytes(b"weights")
    (tmp_path / "pictures").mkdir()
    for i in range(3):
        Image.new("RGB", (8, 8), 0).save(tmp_path / "pictures" / f"{i}.png")
    (tmp_path / "out").mkdir()
    return tmp_path


def asked(*options, swept=()):
    cfg = composed("evaluate", *OPTIONS, *options, with_hydra=False)
    return asked_for(cfg, {}, data_set(cfg, {}), swept)


def record(folder, **entries):
    done = {"format": FORMAT, "asked": asked()} | entries
    (folder / "out" / "evaluation.json").write_text(json.dumps(done))
    return done


def other_picture(folder):
    Image.new("RGB", (8, 8), 255).save(folder / "pictures" / "1.png")


def one_more(folder):
    Image.new("RGB", (8, 8), 0).save(folder / "pictures" / "3.png")


def other_name(folder):
    (folder / "pictures" / "1.png").rename(folder / "pictures" / "9.png")


def other_weights(folder):
    (folder / "mine.safetensors").write_bytes(b"Weights")


def other_samples(folder):
    np.savez("drawn.npz", np.ones((2, 8, 8, 3), np.uint8))


def test_the_same_again_is_done(here):
    done = record(here)
    assert already_done(here / "out", asked("batch_size=7", "device=cuda", "logger=csv")) == done


@pytest.mark.parametrize("change", [other_picture, one_more, other_name, other_weights, other_samples])
def test_other_contents_of_the_same_names_are_not(change, here):
    record(here)
    change(here)
    with pytest.raises(UserError, match="holds another evaluation"):
        already_done(here / "out", asked())


@pytest.mark.parametrize("option", ["batch_size=7", "device=cuda", "devices=2"])
def test_nor_is_another_job_of_a_sweep_over_whatever_it_is_over(option, here):
    swept = {option.partition("=")[0]}
    done = record(here, asked=asked(swept=swept))
    assert already_done(here / "out", asked(swept=swept), swept) == done
    with pytest.raises(UserError, match="holds another evaluation"):
        already_done(here / "out", asked(option, swept=swept), swept)


def test_a_record_of_before_does_not_know_the_contents(here):
    before = {key: value for key, value in asked().items() if key not in ADDED}
    done = record(here, format=1, asked=before)
    assert already_done(here / "out", asked()) == done
    with pytest.raises(UserError, match="holds another evaluation"):
        already_done(here / "out", asked("num_images=7"))


def test_the_overrides_of_a_job_are_without_hydras_escapes(monkeypatch):
    task = [r"checkpoint=zoo\:digits", "sampler.steps=5", "+guidance.scale=1.5", "out=here"]
    task += [r"data_dir='C:\data'", "metrics=[fid,classes]", "speed.compile=true", "~callbacks.fid"]
    job = {"config": {"override_dirname": {"exclude_keys": ["out"]}}}
    hydra = OmegaConf.create({"overrides": {"task": task}, "job": job})
    monkeypatch.setattr(HydraConfig, "initialized", lambda: True)
    monkeypatch.setattr(HydraConfig, "get", lambda: hydra)
    assert overrides() == {
        **{"checkpoint": "zoo:digits", "sampler.steps": 5.0, "guidance.scale": 1.5, "data_dir": r"C:\data"},
        **{"metrics": "[fid,classes]", "speed.compile": "true", "callbacks.fid": ""},
    }
