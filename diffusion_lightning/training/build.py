"""Config → a run: module, callbacks and trainer are built and wired here, and nowhere else."""

from collections.abc import Sequence
from functools import partial
from inspect import signature
from typing import Any

from lightning.pytorch import Callback, Trainer
from omegaconf import DictConfig

from diffusion_lightning.checkpoints.writer import AtomicCheckpointIO
from diffusion_lightning.config.build import build_denoiser, build_extractor, build_sampling
from diffusion_lightning.config.changed import changed
from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.errors import UserError, naming
from diffusion_lightning.speed import Speed, device_type
from diffusion_lightning.training.module import DiffusionModule


def build_module(cfg: DictConfig) -> DiffusionModule:
    """Denoiser + objective + guidance + optimizer.

    Raises:
        UserError: if a value is wrong, or the sampler has no walk under the schedule.
    """
    denoiser = build_denoiser(cfg)
    with naming("sampler"):  # rather than after the first epoch
        instantiate(cfg.sampler).times(denoiser.schedule)
    return DiffusionModule(
        denoiser,
        instantiate(cfg.objective),
        instantiate(cfg.guidance),
        instantiate(cfg.optimizer),
        warmup_images=cfg.warmup_images,
        seed=cfg.seed,
        speed=instantiate(cfg.speed),
    )


def choose_speed(cfg: DictConfig) -> tuple[Speed, DictConfig]:
    """What makes training fast on its device, and the config with its precision, for the trainer."""
    device = device_type(cfg.trainer.accelerator)
    # Compilation is decided later, when the data and with them the length of the run are known
    chosen = instantiate(cfg.speed).chosen(device, 0, training=True)
    return chosen, changed(cfg, {"speed.precision": chosen.precision})


def build_callbacks(cfg: DictConfig) -> list[Callback]:
    """All callbacks. One that is `_partial_` in the config gets `sampling` or `extractor`, if it takes them.

    Raises:
        UserError: if FID or KID is monitored or optimized, and no callback measures it.
    """
    parts = {"sampling": build_sampling, "extractor": build_extractor}
    callbacks = []
    for name, node in cfg.callbacks.items():
        if not node:
            continue
        callback = instantiate(node)
        if isinstance(callback, partial):
            asked = signature(callback).parameters.keys() & parts
            with naming(f"callbacks.{name}"):
                callback = callback(**{part: parts[part](cfg) for part in asked})
        callbacks.append(callback)
    wanted = {cfg.optimized_metric, *(getattr(callback, "monitor", None) for callback in callbacks)}
    measured = {quality for callback in callbacks for quality in getattr(callback, "measures", ())}
    missing = (wanted & {"fid", "kid"}) - measured
    if missing:
        raise UserError(
            f"nothing measures {missing.pop()}, which is monitored or optimized; add callbacks=fid."
        )
    return callbacks


def build_trainer(cfg: DictConfig, callbacks: Sequence[Callback] = (), **overrides: Any) -> Trainer:
    """Lightning's trainer with loggers, the config's callbacks and more callbacks."""
    loggers = [instantiate(node) for node in cfg.logger.values() if node]
    parts = {
        "callbacks": [*build_callbacks(cfg), *callbacks],
        "logger": loggers,
        "plugins": [AtomicCheckpointIO()],
    }
    return instantiate(cfg.trainer, **parts, **overrides)
