"""Train a diffusion model: `python train.py dataset=mnist schedule=cosine guidance=cfg`."""

import logging
import signal
import uuid
import warnings
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.cli import task
from diffusion_lightning.errors import at_least

log = logging.getLogger("train")


def train(cfg: DictConfig) -> float | None:
    """Train as configured and return the last value of the metric that a search optimizes."""
    from lightning.pytorch import seed_everything

    from diffusion_lightning.build import build_data, build_module, build_trainer
    from diffusion_lightning.loggers import last_value
    from diffusion_lightning.resume import earlier_run, wandb_id

    at_least("seed", cfg.seed, 0)
    # Hydra's log shows Lightning's messages; Lightning's own handler would show them twice.
    logging.getLogger("lightning").handlers.clear()
    folder = Path(cfg.paths.run_dir)
    before = earlier_run(cfg)
    # They are summed over all processes before they are logged
    warnings.filterwarnings("ignore", message=".*sync_dist=True.*")
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = build_data(cfg)
    if before:
        before.check(cfg)
        if before.is_done(cfg):
            log.info("finished already: %s", folder)
            return last_value(folder / "metrics.csv", cfg.optimized_metric)
    module = build_module(cfg)
    if "wandb" in cfg.logger:
        cfg.logger.wandb.id = cfg.logger.wandb.id or wandb_id(folder) or uuid.uuid4().hex[:8]
    trainer = build_trainer(cfg)
    # The checkpoint carries its config as plain containers: nothing but the file is needed later.
    module.save_hyperparameters(OmegaConf.to_container(cfg, resolve=True))
    try:
        trainer.fit(module, data, ckpt_path=before.checkpoint if before else None, weights_only=True)
    except BaseException:
        # The processes that this one has started would wait for it for ever
        if trainer.strategy.launcher is not None:
            trainer.strategy.launcher.kill(signal.SIGKILL)
        raise
    if trainer.is_global_zero:
        log.info("run: %s", folder)
    value = trainer.callback_metrics.get(cfg.optimized_metric)
    return None if value is None else float(value)


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
@task
def main(cfg: DictConfig) -> float | None:
    """Command line."""
    return train(cfg)


if __name__ == "__main__":
    main()
