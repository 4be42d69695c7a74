"""Config → objects: every object of a run is made and wired here, and nowhere else."""

from functools import partial
from inspect import signature
from typing import Any

import hydra.utils
from lightning.pytorch import Callback, LightningDataModule, Trainer
from omegaconf import DictConfig, open_dict
from torch import nn

from diffusion_lightning.callbacks import FID
from diffusion_lightning.checkpoint_io import AtomicCheckpointIO
from diffusion_lightning.denoiser import Denoiser
from diffusion_lightning.errors import UserError
from diffusion_lightning.generate import Sampling
from diffusion_lightning.lightning_module import DiffusionModule
from diffusion_lightning.speed import Speed, device_type

instantiate = partial(hydra.utils.instantiate, _convert_="all")
"""Hydra's, with plain lists and dicts for arguments: configs end here."""


def build_data(cfg: DictConfig) -> LightningDataModule:
    """The data module; what only the data knows (classes of a folder) goes back into the config."""
    data = instantiate(cfg.dataset)
    with open_dict(cfg):
        cfg.dataset.num_classes = data.num_classes
        cfg.dataset.class_names = data.class_names and list(data.class_names)
    return data


def build_denoiser(cfg: DictConfig) -> Denoiser:
    """Network + schedule + parameterization."""
    return Denoiser(
        instantiate(cfg.network),
        instantiate(cfg.schedule),
        instantiate(cfg.parameterization),
    )


def build_extractor(cfg: DictConfig) -> nn.Module:
    """The feature extractor."""
    return frozen(instantiate(cfg.extractor))


def frozen(extractor: nn.Module) -> nn.Module:
    """The extractor as one that never learns."""
    return extractor.eval().requires_grad_(False)


def build_sampling(cfg: DictConfig) -> Sampling:
    """Sampler + guidance + clamp."""
    return Sampling(instantiate(cfg.sampler), instantiate(cfg.guidance), instantiate(cfg.clamp))


def build_module(cfg: DictConfig) -> DiffusionModule:
    """Denoiser + objective + guidance + optimizer."""
    return DiffusionModule(
        build_denoiser(cfg),
        instantiate(cfg.objective),
        instantiate(cfg.guidance),
        instantiate(cfg.optimizer),
        warmup_images=cfg.warmup_images,
        seed=cfg.seed,
        speed=instantiate(cfg.speed),
    )


def choose_speed(cfg: DictConfig) -> Speed:
    """What makes training fast on its device; the precision goes back into the config, for the trainer."""
    device = device_type(cfg.trainer.accelerator)
    # How long the run is, by which it may be compiled, is known when the data are there
    chosen = instantiate(cfg.speed).chosen(device, 0, training=True)
    cfg.speed.precision = chosen.precision
    return chosen


def build_callbacks(cfg: DictConfig) -> list[Callback]:
    """All callbacks; those that are `_partial_` in the config ask for the run's sampling or extractor.

    Raises:
        UserError: if a quality is monitored, or to be optimized, that nothing measures.
    """
    parts = {"sampling": build_sampling, "extractor": build_extractor}
    callbacks = []
    for node in filter(None, cfg.callbacks.values()):
        callback = instantiate(node)
        if isinstance(callback, partial):
            asked = signature(callback).parameters.keys() & parts
            callback = callback(**{name: parts[name](cfg) for name in asked})
        callbacks.append(callback)
    wanted = {cfg.optimized_metric, *(getattr(callback, "monitor", None) for callback in callbacks)}
    missing = wanted & {"fid", "kid"}
    if missing and not any(isinstance(callback, FID) for callback in callbacks):
        raise UserError(
            f"nothing measures {missing.pop()}, which is monitored or optimized; add callbacks=fid."
        )
    return callbacks


def build_trainer(cfg: DictConfig, **overrides: Any) -> Trainer:
    """Lightning's trainer with callbacks and loggers."""
    loggers = [instantiate(node) for node in cfg.logger.values() if node]
    parts = {"callbacks": build_callbacks(cfg), "logger": loggers, "plugins": [AtomicCheckpointIO()]}
    return instantiate(cfg.trainer, **parts, **overrides)
