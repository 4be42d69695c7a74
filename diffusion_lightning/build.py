"""Config → objects: every object of a run is made and wired here, and nowhere else."""

from functools import partial
from typing import Any

import hydra.utils
from lightning.pytorch import Callback, LightningDataModule, Trainer
from omegaconf import DictConfig, open_dict

from diffusion_lightning.denoiser import Denoiser
from diffusion_lightning.generate import Sampling
from diffusion_lightning.lightning_module import DiffusionModule

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
    )


def build_callbacks(cfg: DictConfig) -> list[Callback]:
    """All callbacks; those that draw images are `_partial_` in the config and get the run's sampling."""
    sampling = build_sampling(cfg)
    callbacks = [instantiate(node) for node in cfg.callbacks.values() if node]
    return [c(sampling=sampling) if isinstance(c, partial) else c for c in callbacks]


def build_trainer(cfg: DictConfig, **overrides: Any) -> Trainer:
    """Lightning's trainer with callbacks and loggers."""
    loggers = [instantiate(node) for node in cfg.logger.values() if node]
    return instantiate(cfg.trainer, callbacks=build_callbacks(cfg), logger=loggers, **overrides)
