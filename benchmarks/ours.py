"""diffusion-lightning as its commands configure it."""

from typing import Any

import torch
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig
from torch import Tensor, nn

from benchmarks.settings import CASES, Row, Settings
from benchmarks.timing import Stopwatch, dtype_name, flop
from diffusion_lightning.commands.resolvers import register
from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.config.paths import conf_folder
from diffusion_lightning.speed import Speed, device_type


def composed(case: str, settings: Settings, *overrides: str) -> DictConfig:
    """What `python train.py dataset=<case> <overrides>` trains with, on random images, without pictures."""
    fixed = (
        f"dataset={case}",
        "dataset._target_=benchmarks.data.RandomImages",
        f"dataset.batch_size={CASES[case].images(settings)}",
        f"trainer.accelerator={'cpu' if settings.device == 'cpu' else 'gpu'}",
        "trainer.enable_progress_bar=false",
        "callbacks.progress_bar=null",
        "callbacks.sample_grid=null",
    )
    return config(*fixed, *overrides)


def config(*overrides: str) -> DictConfig:
    """What `python train.py <overrides>` trains with."""
    register()
    with initialize_config_dir(str(conf_folder()), version_base="1.3"):
        return compose("train", list(overrides))


def shape_of(cfg: DictConfig) -> tuple[int, ...]:
    """(C, H, W) of the config's images."""
    return instantiate(cfg.dataset).shape


def network_flop(cfg: DictConfig, train: bool) -> int:
    """Floating-point operations of the config's network for one batch."""
    shape = cfg.dataset.batch_size, *shape_of(cfg)
    return flop(lambda: instantiate(cfg.network), _without_labels, shape, train)


def _without_labels(network: Any, x: Tensor, time: Tensor) -> Tensor:
    return network(x, time, torch.full((len(x),), network.num_classes))


def speed_of(cfg: DictConfig, evaluations: float, training: bool) -> Speed:
    """The config's speed, chosen for so many evaluations and set for this process."""
    speed: Speed = instantiate(cfg.speed).chosen(device_type(cfg.trainer.accelerator), evaluations, training)
    speed.prepare_process()
    return speed


def row(cfg: DictConfig, watch: Stopwatch, speed: Speed, network: nn.Module, train: bool) -> Row:
    """What the stopwatch says of steps of the config's network."""
    return watch.row(
        cfg.dataset.batch_size,
        flop=network_flop(cfg, train),
        dtype=dtype_name(speed.dtype),
        parameters=sum(p.numel() for p in network.parameters()),
    )
