import pytest
import torch
from omegaconf import OmegaConf

from diffusion_lightning import __version__
from diffusion_lightning.checkpoints.format import (
    FORMAT,
    KEY,
    YOUNGER,
    added_options,
    stamp,
    upgraded,
    with_defaults,
)
from diffusion_lightning.checkpoints.reader import read_checkpoint
from diffusion_lightning.errors import UserError
from tests.support.command import ROOT
from tests.support.configs import composed, of_images

EARLIER = ROOT / "tests" / "made_at_e9b7708" / "linear" / "checkpoints" / "last.ckpt"


def raw():
    return torch.load(EARLIER, weights_only=True)


def test_a_checkpoint_says_its_format_and_its_version():
    assert stamp() == {"diffusion_lightning": {"format": FORMAT, "version": __version__}}


def test_an_earlier_checkpoint_is_read_in_the_words_of_today():
    before, now = raw()["hyper_parameters"], read_checkpoint(EARLIER)["hyper_parameters"]
    assert before["network"]["_target_"] == "diffusion_lightning.networks.UNet"
    assert now["network"]["_target_"] == "diffusion_lightning.UNet"
    assert now["sampler"]["grid"]["_target_"] == "diffusion_lightning.Uniform"
    added = {"norm_groups": None, "norm_eps": 1e-5, "downsample_padding": 1, "freq_shift": 1, "patch": 1}
    assert {name: now["network"][name] for name in added} == added
    values = lambda node: {k: v for k, v in node.items() if k != "_target_"}  # noqa: E731
    assert values(now["network"]) == values(before["network"]) | added


def test_a_network_of_someone_else_gets_no_options_of_ours():
    checkpoint = raw()
    checkpoint["hyper_parameters"]["network"]["_target_"] = "mine.Net"
    assert not [key for key in added_options(checkpoint) if key.startswith("network.")]
    assert "norm_groups" not in upgraded(checkpoint)["hyper_parameters"]["network"]


def test_options_of_a_checkpoint_of_today_are_its_own():
    checkpoint = raw() | stamp()
    checkpoint["hyper_parameters"]["network"]["norm_groups"] = 2
    assert upgraded(checkpoint)["hyper_parameters"]["network"]["norm_groups"] == 2
    assert added_options(upgraded(checkpoint)) == {}
    younger = [key for key in upgraded(checkpoint)[YOUNGER] if key.startswith("network.")]
    added = ["norm_eps", "downsample_padding", "freq_shift", "patch"]
    assert younger == [f"network.{name}" for name in added]


def test_a_group_that_was_added_later_is_what_held_before():
    assert "times" not in raw()["hyper_parameters"]
    now = read_checkpoint(EARLIER)["hyper_parameters"]
    assert now["times"] == {"_target_": "diffusion_lightning.UniformTimes"} and now["init"] is None


@pytest.mark.parametrize("said", [{"format": FORMAT + 1, "version": "9.9"}, {"format": 99}])
def test_a_later_format_is_refused(said, tmp_path):
    torch.save(raw() | {KEY: said}, tmp_path / "later.ckpt")
    with pytest.raises(UserError, match=f"in format {said['format']}.*pip install --upgrade"):
        read_checkpoint(tmp_path / "later.ckpt")


def test_options_that_came_later_do_by_default_what_was_done_before():
    folder = {"_target_": "diffusion_lightning.ImageFolder", "data_dir": "photos"}
    for config in ({"dataset": folder}, {"dataset": folder | {"skip_unreadable": True}}, {"dataset": None}):
        node = config["dataset"]
        expected = node and {"skip_unreadable": False} | node
        assert with_defaults(config) == {"dataset": expected}


@pytest.mark.parametrize("name", of_images("dataset"))
def test_every_option_of_a_data_set_is_null_by_default_or_has_the_value_of_before(name):
    """Or else a run of before could not be resumed, as it would differ in the option."""
    at_e9b7708 = {"_target_", "data_dir", "batch_size", "image_channels", "image_size", "num_classes"}
    at_e9b7708 |= {"class_names", "flip", "seed", "num_workers", "memory_limit"}
    node = OmegaConf.to_container(composed("train", f"dataset={name}").dataset)
    later = {
        option: value for option, value in node.items() if option not in at_e9b7708 and value is not None
    }
    assert with_defaults({"dataset": {"_target_": node["_target_"]}})["dataset"].items() >= later.items()


@pytest.mark.parametrize("said", [None, 3, "1", {"format": "new"}, {}])
def test_what_says_nothing_sensible_is_of_the_first_format(said):
    assert upgraded(raw() | {KEY: said})["hyper_parameters"]["network"]["norm_groups"] is None
