"""`diffusion-train`: train a diffusion model, `diffusion-train dataset=mnist schedule=cosine`."""

import logging
import signal
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.folders import held
from diffusion_lightning.commands.noise import quieten
from diffusion_lightning.commands.run_names import process_number
from diffusion_lightning.commands.swept import sweeping, swept
from diffusion_lightning.commands.task import run_command
from diffusion_lightning.errors import UserError, check_at_least

if TYPE_CHECKING:
    from lightning.pytorch import Callback, LightningModule, Trainer

    from diffusion_lightning.data.base import SampleData

log = logging.getLogger("train")


def train(cfg: DictConfig, callbacks: Sequence["Callback"] = ()) -> float | None:
    """Train as configured and return the last value of the metric that a search optimizes.

    Args:
        cfg: the config, as `conf/train.yaml` composes it.
        callbacks: callbacks besides those of the config.
    """
    check_at_least("seed", cfg.seed, 0, 2**32 - 1)
    quieten()
    with held(Path(cfg.paths.run_dir), "hydra.run.dir"):
        return _train(cfg, callbacks)


def _train(cfg: DictConfig, callbacks: Sequence["Callback"]) -> float | None:
    from lightning.pytorch import seed_everything

    from diffusion_lightning.commands.hydra_record import HydraRecord
    from diffusion_lightning.config.build import build_data
    from diffusion_lightning.config.changed import changed
    from diffusion_lightning.loggers import last_values
    from diffusion_lightning.training.build import build_module, build_trainer, choose_speed
    from diffusion_lightning.training.module import check_images_per_step, images_of_step
    from diffusion_lightning.training.resume import IMAGES, VERSIONS, earlier_run, named_options, wandb_id
    from diffusion_lightning.versions import versions

    folder, composed = Path(cfg.paths.run_dir), cfg
    before = earlier_run(cfg)
    seed_everything(cfg.seed, workers=True, verbose=False)
    data, cfg = build_data(cfg)
    if before:
        cfg = before.adopted(cfg, named_options())
        before.check(cfg, swept())
        cfg = changed(cfg, {IMAGES: before.same_images(None if process_number() else data.contents(), cfg)})
        if before.is_done(cfg):
            log.info("finished already: %s", folder)
            return last_values(folder / "metrics.csv").get(cfg.optimized_metric)
    speed, cfg = choose_speed(cfg)
    speed.prepare_process()
    module = build_module(cfg)
    if "wandb" in cfg.logger:
        known = cfg.logger.wandb.id or (wandb_id(folder) if before else None)
        cfg = changed(cfg, {"logger.wandb.id": known or uuid.uuid4().hex[:8]})
    trainer = build_trainer(cfg, [*callbacks, HydraRecord(composed, folder, resumed=before is not None)])
    if before and before.images_per_step:
        check_images_per_step(before.images_per_step, images_of_step(trainer, cfg.dataset.batch_size))
    if not before and not process_number():
        data.prepare_data()
        cfg = changed(cfg, {IMAGES: data.contents()})
    cfg = changed(cfg, {VERSIONS: versions()})
    if trainer.is_global_zero:
        log.info("training on %s in %s", trainer.strategy.root_device, trainer.precision)
    # The checkpoint carries its config as plain containers: nothing but the file is needed later.
    module.save_hyperparameters(OmegaConf.to_container(cfg, resolve=True))
    _fit(trainer, module, data, before.checkpoint if before else None)
    if trainer.is_global_zero:
        log.info("run: %s", folder)
    value = trainer.callback_metrics.get(cfg.optimized_metric)
    if value is None:
        log.warning(
            "optimized_metric=%s is none of %s", cfg.optimized_metric, ", ".join(trainer.callback_metrics)
        )
    return None if value is None else float(value)


def _fit(trainer: "Trainer", module: "LightningModule", data: "SampleData", last: Path | None) -> None:
    """Train; processes that the trainer starts end with this one."""
    from diffusion_lightning.training.data_module import DataModule

    launcher = trainer.strategy.launcher
    if launcher is not None and sweeping():
        # Lightning would start the whole sweep again in every process
        raise UserError(
            "a sweep trains each job in one process: leave trainer.devices=1, or let SLURM start the "
            "processes (hydra/launcher=submitit_slurm hydra.launcher.tasks_per_node=4)."
        )
    try:
        trainer.fit(module, datamodule=DataModule(data), ckpt_path=last, weights_only=True)
    except BaseException as error:
        # The other processes would wait for this one forever
        if launcher is not None:
            launcher.kill(getattr(signal, "SIGKILL", signal.SIGTERM))  # Windows knows SIGTERM alone
        # Lightning ends an interrupted program itself, with the code of a failure
        if isinstance(error, SystemExit) and isinstance(error.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from None
        raise


def main() -> None:
    """The command line."""
    run_command(train, "train")


if __name__ == "__main__":
    main()
