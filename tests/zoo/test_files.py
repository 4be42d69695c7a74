"""The models of the zoo are what their cards say, wherever a checkpoint is read."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import diffusion_lightning as dl
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.extractors.classifier import Classifier
from diffusion_lightning.sampling.request import asked_sampling
from diffusion_lightning.zoo import cards
from diffusion_lightning.zoo.cards import FOLDER, names
from diffusion_lightning.zoo.files import found
from tests.support.configs import composed
from tests.support.in_process import succeed_here
from tests.support.runs import train_in


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the zoo, to be damaged."""
    folder = tmp_path / "zoo"
    shutil.copytree(FOLDER, folder)
    for module in (cards, "diffusion_lightning.zoo.files"):
        name = module if isinstance(module, str) else module.__name__
        monkeypatch.setattr(f"{name}.FOLDER", folder)
    return folder


@pytest.mark.parametrize("name", names())
def test_a_model_loads_from_half_precision_and_needs_no_pickle(name, monkeypatch):
    monkeypatch.setattr("torch.load", None)
    file = found(name)
    assert all(w.dtype == torch.float16 for w in load_file(file).values() if w.is_floating_point())
    model = dl.load(f"zoo:{name}")
    assert {w.dtype for w in model.denoiser.parameters()} == {torch.float32}
    card = cards.read_card(name)
    assert sum(w.numel() for w in model.denoiser.network.parameters()) == card.parameters
    sampling = asked_sampling(composed("sample", *card.options), model)
    steps = len(sampling.sampler.times(model.denoiser.schedule))
    assert card.setting == f"{type(sampling.sampler).__name__}, {steps} steps, {sampling.guidance}"


def test_the_digits_are_those_asked_for():
    """By the package's own classifier, which took no part in training: the card says all of 297."""
    labels = torch.arange(10).repeat(5)
    images = dl.load("zoo:digits").sample(labels, sampler=dl.DDIM(10), seed=3, progress=False)
    _, logits = Classifier(1, 10, [16, 32, 64], "digits.safetensors").eval()(dl.to_uint8(images))
    assert (logits.argmax(1) == labels).float().mean() >= 0.96


def test_the_whole_zoo_is_small():
    assert sum(file.stat().st_size for file in FOLDER.glob("*.safetensors")) < 25e6
    assert {file.stem for file in FOLDER.glob("*.safetensors")} == set(names())


def test_a_wrong_name_lists_what_there_is():
    with pytest.raises(UserError, match=r"no model zoo:digit; there are .*zoo:digits"):
        dl.load("zoo:digit")


def edited(weights):
    """Another config; the hash of the weights alone would not notice."""
    return weights.replace(b"diffusion_lightning.Eps", b"diffusion_lightning.X0 ")


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("digits.safetensors", lambda weights: weights[: len(weights) // 2]),
        ("digits.safetensors", edited),
        ("digits.json", lambda card: b"{"),
        ("digits.json", lambda card: b'{"shows": "nothing"}'),
    ],
    ids=["half", "edited", "half a card", "a card of something else"],
)
def test_a_damaged_model_is_refused_in_one_line(file, damage, copied):
    before = (copied / file).read_bytes()
    (copied / file).write_bytes(damage(before))
    assert (copied / file).read_bytes() != before
    with pytest.raises(UserError, match=r"is damaged.*install diffusion-lightning again") as refused:
        dl.load("zoo:digits")
    assert "\n" not in str(refused.value)


def test_the_commands_take_its_name(tmp_path):
    """Images are those of dl.load; a new run may start from it; what reads it says what it reads."""
    drawing = ["checkpoint=zoo:digits", "sampler.steps=3", "num_images=4"]
    succeed_here("sample.py", *drawing, "out=drawn", "speed=plain", cwd=tmp_path)
    with np.load(tmp_path / "drawn" / "samples.npz") as arrays:
        drawn = torch.from_numpy(arrays["arr_0"]).permute(0, 3, 1, 2)
    model = dl.load("zoo:digits", speed=dl.Speed("32-true"))
    images = model.sample(range(4), sampler=dl.DDIM(3), seed=0, progress=False)
    assert dl.to_uint8(images).equal(drawn)
    measuring = ["extractor=module", "extractor._target_=torch.nn.Flatten", "metrics=[colours]"]
    succeed_here("evaluate.py", *drawing, *measuring, "out=measured", cwd=tmp_path)
    record = json.loads((tmp_path / "measured" / "evaluation.json").read_text())
    assert record["asked"]["checkpoint_sha256"] == cards.read_card("digits").sha256


def test_a_run_starts_from_it_but_none_resumes(tmp_path):
    network = {"width": 32, "channel_mults": "[1,2]", "attention_resolutions": "[4]"}
    options = ["guidance=cfg", *(f"network.{key}={value}" for key, value in network.items())]
    train_in(tmp_path / "run", "init=zoo:digits", *options, "optimizer.lr=0", "trainer.max_epochs=1")
    trained, shipped = dl.load(tmp_path / "run").denoiser, dl.load("zoo:digits").denoiser
    for ours, theirs in zip(trained.parameters(), shipped.parameters(), strict=True):
        assert ours.equal(theirs)
    with pytest.raises(UserError, match=r"zoo:digits is the name of a model.* init=zoo:digits starts"):
        train_in(tmp_path / "zoo:digits", "resume=true")
