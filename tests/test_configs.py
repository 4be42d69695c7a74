"""One matrix over every YAML: each option composes with the default experiment and builds."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf

import diffusion_lightning.cli  # noqa: F401  (registers the resolvers)
from diffusion_lightning.build import build_callbacks, build_denoiser, build_sampling
from diffusion_lightning.networks import UNet

CONF = Path(__file__).parents[1] / "conf"
GROUPS = [
    "dataset",
    "schedule",
    "parameterization",
    "guidance",
    "objective",
    "optimizer",
    "sampler",
    "sampler/grid",
    "clamp",
    "trainer",
    "callbacks",
    "logger",
    "experiment",
    "debug",
]
OPTIONS = [f"{g}={p.stem}" for g in GROUPS for p in sorted((CONF / g).glob("*.yaml"))]


def composed(name, *overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(name, list(overrides), return_hydra_config=True)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_option_trains(option, tmp_path):
    cfg = composed("train", option, f"paths.run_dir={tmp_path}")
    HydraConfig.instance().set_config(cfg)
    if cfg.dataset.num_classes is None:
        cfg.dataset.num_classes = 0
    # DDPM's network is built once, in its own test; here the wiring counts
    cfg.network.width = 8
    denoiser = build_denoiser(cfg)
    assert isinstance(denoiser.network, UNet)
    build_sampling(cfg)
    build_callbacks(cfg)
    del cfg.hydra
    OmegaConf.resolve(cfg)


@pytest.mark.parametrize("path", sorted((CONF / "dataset").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_network_follows_the_data_set(path):
    cfg = composed("train", f"dataset={path.stem}", "schedule=cosine", "guidance=cfg")
    assert cfg.hydra.runtime.choices.network == path.stem
    assert cfg.network.image_size == cfg.dataset.image_size
    assert cfg.hydra.runtime.choices.schedule == "cosine"
    assert cfg.hydra.runtime.choices.guidance == "cfg"


def test_experiments_say_what_their_names_say():
    for path in (CONF / "experiment").glob("*.yaml"):
        dataset, _, guidance = path.stem.partition("_")
        choices = composed("train", f"experiment={path.stem}").hydra.runtime.choices
        assert (choices.dataset, choices.guidance, choices.network) == (dataset, guidance, dataset)
        assert choices.schedule == ("cosine" if dataset == "cifar10" else "linear")


def test_mnist_network_has_one_to_two_million_parameters():
    network = build_denoiser(composed("train", "dataset=mnist")).network
    assert 1e6 < sum(p.numel() for p in network.parameters()) < 2e6


def test_sampling_cannot_contradict_the_checkpoint():
    cfg = composed("sample")
    assert not {"schedule", "network", "parameterization", "dataset"} & set(cfg)
