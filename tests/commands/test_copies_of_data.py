"""Data that are not the original say so, from the pictures of training to the records of evaluation."""

import json

import pytest

from diffusion_lightning.captions import captioned
from diffusion_lightning.checkpoints.format import upgraded
from diffusion_lightning.checkpoints.reader import config_of, read_checkpoint
from diffusion_lightning.commands.to_zoo import write_weights
from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange.base import Exported
from diffusion_lightning.exchange.card import model_card
from diffusion_lightning.sampling.load import load
from tests.data.test_cifar10_pictures import write_copy
from tests.support.in_process import succeed_here
from tests.support.runs import train_in

JPEG = "CIFAR-10 (JPEG copy)"
SMALL = ["dataset=cifar10", "dataset.image_size=8", "network=unet_tiny", "trainer.max_epochs=1"]


@pytest.fixture
def titles(monkeypatch):
    """The titles of all pictures that are drawn."""
    drawn = []

    def remember(grid, captions, *size):
        drawn.append(captions.title)
        return captioned(grid, captions, *size)

    monkeypatch.setattr("diffusion_lightning.images.captioned", remember)
    return drawn


def test_a_jpeg_copy_is_named_in_checkpoint_pictures_and_records(tmp_path, titles):
    write_copy(tmp_path / "data" / "cifar10-jpeg", "jpg")
    write_copy(tmp_path / "other" / "cifar10-png", "png")
    run, options = tmp_path / "run", [*SMALL, f"data_dir={tmp_path / 'data'}"]
    train_in(run, *options)
    assert titles and set(titles) == {JPEG}
    checkpoint = read_checkpoint(run)
    config = config_of(checkpoint)
    assert (config["dataset"]["copy"], config["notice"]) == ("jpeg", JPEG)
    with pytest.raises(UserError, match=r"has dataset\.copy=jpeg, but this command says png"):
        train_in(run, *SMALL, f"data_dir={tmp_path / 'other'}", "resume=true", "trainer.max_epochs=2")

    titles.clear()
    drawing = ["checkpoint=run", "sampler.steps=2", "num_images=10"]
    succeed_here("sample.py", *drawing, "out=drawn", cwd=tmp_path)
    assert JPEG in titles[0] and len(titles) == 1
    assert json.loads((tmp_path / "drawn" / "sampling.json").read_text())["data"] == JPEG

    titles.clear()
    measuring = ["extractor=module", "extractor._target_=torch.nn.Flatten", "metrics=[colours]"]
    succeed_here("evaluate.py", *drawing, *measuring, "out=measured", cwd=tmp_path)
    assert titles == [JPEG]
    record = json.loads((tmp_path / "measured" / "evaluation.json").read_text())
    assert record["provenance"]["data"] == JPEG

    model = load(run)
    exported = Exported(model.denoiser, model.sampling(), None, model.class_names, checkpoint)
    card = model_card(exported, "some-one/photographs", "mit", record, [], for_diffusers=False)
    assert f"A diffusion model of {JPEG}:" in card and f"name: {JPEG}" in card

    write_weights(str(run), "mine", None, tmp_path)
    assert config_of(read_checkpoint(tmp_path / "mine.safetensors"))["notice"] == JPEG


def test_runs_of_before_read_the_original():
    """CIFAR-10 could not be read from pictures, so an older checkpoint is of the original."""
    node = {"_target_": "diffusion_lightning.CIFAR10", "data_dir": "data/"}
    older = {"hyper_parameters": {"dataset": node, "network": {}}}
    assert config_of(upgraded(older))["dataset"]["copy"] == "original"
