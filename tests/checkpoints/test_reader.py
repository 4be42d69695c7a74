"""What a checkpoint gives: plain containers, weights, and the data set that was learned."""

import pytest
import torch

from diffusion_lightning.checkpoints.reader import (
    config_of,
    find_checkpoint,
    load_data_set,
    load_denoiser,
    load_test_images,
    read_checkpoint,
)
from diffusion_lightning.data import Digits
from diffusion_lightning.errors import UserError
from tests.support.command import ROOT

RUN = ROOT / "tests" / "made_at_e9b7708" / "linear"
DATA = {"_target_": "diffusion_lightning.Digits", "data_dir": "", "batch_size": 1} | {
    "image_channels": 1,
    "image_size": 8,
    "num_classes": 10,
}


def is_plain(node):
    if type(node) is dict:
        return all(type(key) is str and is_plain(item) for key, item in node.items())
    return (
        all(map(is_plain, node)) if type(node) is list else type(node) in (str, int, float, bool, type(None))
    )


def test_the_config_is_plain_containers():
    config = config_of(read_checkpoint(RUN))
    assert is_plain(config) and {"network", "schedule", "guidance", "dataset", "extractor"} <= config.keys()


def test_a_folder_means_its_last_checkpoint():
    file = RUN / "checkpoints" / "last.ckpt"
    assert find_checkpoint(RUN) == find_checkpoint(str(RUN)) == find_checkpoint(file) == file


def test_a_denoiser_has_the_weights_of_its_kind_and_no_dropout():
    checkpoint = read_checkpoint(RUN)
    for weights, key in {"ema": "state_dict", "raw": "current_model_state"}.items():
        denoiser = load_denoiser(checkpoint, weights)
        assert not denoiser.training
        for name, value in denoiser.state_dict().items():
            assert value.equal(checkpoint[key][f"denoiser.{name}"])


@pytest.mark.parametrize("name", ["image_channels", "image_size", "num_classes"])
def test_a_data_set_must_say_what_its_images_are(name, tmp_path):
    checkpoint = torch.load(RUN / "checkpoints" / "last.ckpt", weights_only=True)
    for value in "absent", None, "8":
        config = dict(checkpoint["hyper_parameters"]["dataset"])
        config.pop(name) if value == "absent" else config.update({name: value})
        hyper_parameters = checkpoint["hyper_parameters"] | {"dataset": config}
        torch.save(checkpoint | {"hyper_parameters": hyper_parameters}, tmp_path / "x.ckpt")
        with pytest.raises(UserError, match=rf"no \['{name}'\] in its dataset"):
            read_checkpoint(tmp_path / "x.ckpt")


def test_test_images_are_those_of_the_data_set():
    pixels, labels = load_test_images(DATA, [4, 0])
    expected = Digits("", 1, 1, 8, 10).load(train=False)[torch.tensor([4, 0])]
    assert pixels.equal(expected[0]) and labels.equal(expected[1])
    with pytest.raises(UserError, match="the numbers go from 0 to 296"):
        load_test_images(DATA, [0, 297])


def test_what_is_no_data_set_is_not_built():
    with pytest.raises(UserError, match="the checkpoint's dataset is no SampleData"):
        load_data_set({"_target_": "diffusion_lightning.Static"})
