"""Config → a run: module, callbacks and trainer are built and wired here, and nowhere else."""

from collections.abc import Sequence
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint as LightningModelCheckpoint
from lightning.pytorch.callbacks import ProgressBar
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.checkpoints.writer import AtomicCheckpointIO
from diffusion_lightning.config.build import build_denoiser, build_extractor, build_sampling
from diffusion_lightning.config.changed import changed
from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.errors import UserError, naming
from diffusion_lightning.speed import Speed, device_type
from diffusion_lightning.training.callbacks import FiniteGuard, LastCheckpoint, ModelCheckpoint
from diffusion_lightning.training.init import initialize
from diffusion_lightning.training.module import DiffusionModule

COUNTERS = "epoch", "step"
"""What a ModelCheckpoint may monitor though nothing logs it."""


def build_module(cfg: DictConfig) -> DiffusionModule:
    """Denoiser + objective + guidance + optimizer.

    Raises:
        UserError: if a value is wrong, or the sampler has no walk under the schedule.
    """
    denoiser = build_denoiser(cfg)
    with naming("sampler"):  # rather than after the first epoch
        instantiate(cfg.sampler).times(denoiser.schedule)
    if cfg.init:
        ours: Any = OmegaConf.to_container(cfg, resolve=True)
        initialize(denoiser, cfg.init, ours["parameterization"], ours["network"])
    times = instantiate(cfg.times)
    with naming("objective"):
        objective = instantiate(cfg.objective, _partial_=True)(times=times)
    return DiffusionModule(
        denoiser,
        objective,
        instantiate(cfg.guidance),
        instantiate(cfg.optimizer),
        instantiate(cfg.lr_schedule),
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
        UserError: if something is monitored or optimized that nothing measures.
    """
    parts = {"sampling": build_sampling, "extractor": build_extractor}
    callbacks: list[Callback] = []
    for name, node in cfg.callbacks.items():
        if not node:
            continue
        if given := parts.keys() & node.keys() if node.get("_partial_") else None:
            raise UserError(f"callbacks.{name}.{given.pop()} is the run's own; leave it out.")
        callback = instantiate(node)
        with naming(f"callbacks.{name}"):
            if isinstance(callback, partial):
                asked = signature(callback).parameters.keys() & parts
                callback = callback(**{part: parts[part](cfg) for part in asked})
            check_files(callback, callbacks)
        callbacks.append(callback)
    _check_measured(cfg.optimized_metric, callbacks)
    return callbacks


def _check_measured(optimized: str, callbacks: Sequence[Callback]) -> None:
    """Refuse what only the end of the run would show: a metric whose name is wrong, or that nothing measures.

    Raises:
        UserError: if one that is monitored or optimized is in no `measures`, of the module or of a callback.
    """
    measured = [*DiffusionModule.measures]
    measured += [name for callback in callbacks for name in getattr(callback, "measures", ())]
    monitored = [getattr(callback, "monitor", None) for callback in callbacks]
    for name in [optimized, *(name for name in monitored if name and name not in COUNTERS)]:
        if name not in measured:
            raise UserError(
                f"nothing measures {name}, which is monitored or optimized; choose one of "
                f"{', '.join(measured)}, or add callbacks=fid for fid and kid. A callback of yours lists "
                "what it logs in its attribute `measures`."
            )


def check_files(callback: Callback, others: Sequence[Callback]) -> None:
    """Refuse a callback whose checkpoints could replace those of another one.

    Raises:
        UserError: if its files have the names of another's, or if it is a ModelCheckpoint that is not ours.
    """
    if isinstance(callback, LightningModelCheckpoint) and not isinstance(callback, ModelCheckpoint):
        raise UserError(
            f"{type(callback).__name__} is a ModelCheckpoint of Lightning's, which names files without their "
            "step and cannot be moved; derive it from diffusion_lightning.ModelCheckpoint."
        )
    file = _written(callback)
    if file is not None and file in map(_written, others):
        raise UserError(f"{file} is another callback's file too; give one of them another filename.")


def _written(callback: Callback) -> Path | None:
    """The file that a callback writes, or the template of their names; None if it writes none."""
    if isinstance(callback, LastCheckpoint | FiniteGuard):
        return callback.path.resolve()
    folder, name = (getattr(callback, key, None) for key in ("dirpath", "filename"))
    return Path(folder).resolve() / f"{name}.ckpt" if folder and name else None


def build_trainer(cfg: DictConfig, callbacks: Sequence[Callback] = (), **overrides: Any) -> Trainer:
    """Lightning's trainer with loggers, the config's callbacks and more callbacks."""
    callbacks = [*build_callbacks(cfg), *callbacks]
    if not cfg.trainer.enable_progress_bar:
        callbacks = [callback for callback in callbacks if not isinstance(callback, ProgressBar)]
    loggers = [instantiate(node) for node in cfg.logger.values() if node]
    parts = {
        "callbacks": callbacks,
        "logger": loggers,
        "plugins": [AtomicCheckpointIO()],
    }
    return instantiate(cfg.trainer, **parts, **overrides)
