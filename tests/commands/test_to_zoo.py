"""How a model gets into the zoo."""

import json

import pytest
import torch

import diffusion_lightning as dl
from diffusion_lightning.commands.to_zoo import TYPED, write_card, write_weights
from diffusion_lightning.errors import UserError
from diffusion_lightning.hashing import file_sha256
from diffusion_lightning.zoo.cards import Card
from tests.support.in_process import succeed_here

WORDS = {name: name for name in TYPED}


def test_weights_are_the_averaged_ones_in_half_precision_with_the_scale_that_suits(trained_digits, tmp_path):
    file = write_weights(trained_digits, "mine", 2.5, tmp_path)
    model, before = dl.load(file), dl.load(trained_digits)
    assert model.guidance.scale == 2.5 != before.guidance.scale
    for ours, theirs in zip(model.denoiser.parameters(), before.denoiser.parameters(), strict=True):
        assert ours.equal(theirs.half().float())
    assert str(trained_digits).encode() not in file.read_bytes()  # no folder of this machine


def test_a_card_has_the_figures_of_its_file_alone(trained_digits, tmp_path):
    file = write_weights(trained_digits, "mine", None, tmp_path)
    options = [
        "num_images=20",
        "sampler.steps=3",
        "metrics=[fid,classes]",
        "dataset=digits",
        "extractor=digits",
    ]
    succeed_here("evaluate.py", f"checkpoint={file}", *options, "out=a", cwd=tmp_path)
    record = json.loads((tmp_path / "a" / "evaluation.json").read_text())
    path = write_card("mine", tmp_path / "a", 0.5, tmp_path, **WORDS)
    card = Card(name="mine", **json.loads(path.read_text()))
    assert card.figures["fid"] == [record["samples"]["fid"], record["floor_same_n"]["fid"]]
    assert card.figures["accuracy"] == [record["samples"]["accuracy"], record["floor_same_n"]["accuracy"]]
    assert (card.sha256, card.num_images, card.sampler) == (file_sha256(file), 20, "DDIM, 3 steps")
    assert card.options == ["sampler.steps=3"] and card.data == "Digits" and card.limits == "limits"
    seen = torch.load(trained_digits / "checkpoints" / "last.ckpt", weights_only=True)["images_seen"]
    assert card.images_seen == seen
    path = write_card("mine", tmp_path / "a", 0.5, tmp_path, earlier_images=1000, **WORDS)
    assert json.loads(path.read_text())["images_seen"] == 1000 + seen

    guidance = ["guidance.scale=3", "guidance.interval=[0,0.7]"]
    succeed_here("evaluate.py", f"checkpoint={file}", *options, *guidance, "out=b", cwd=tmp_path)
    path = write_card("mine", tmp_path / "b", 0.5, tmp_path, **WORDS)
    card = Card(name="mine", **json.loads(path.read_text()))
    assert card.options == ["sampler.steps=3", *guidance]
    assert card.setting == "DDIM, 3 steps, w = 3 for t in [0, 0.7]"
    assert card.command.endswith("guidance.scale=3 'guidance.interval=[0,0.7]'")

    write_weights(trained_digits, "mine", 2.5, tmp_path)
    with pytest.raises(UserError, match="is of another file"):
        write_card("mine", tmp_path / "a", 0.5, tmp_path, **WORDS)
