"""Train a diffusion model: `python train.py dataset=mnist schedule=cosine guidance=cfg`."""

import logging
from pathlib import Path

import hydra
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.cli import task
from diffusion_lightning.errors import UserError, at_least

log = logging.getLogger("train")


def train(cfg: DictConfig) -> float | None:
    """Train as configured and return the last validation loss."""
    from lightning.pytorch import seed_everything

    from diffusion_lightning.build import build_data, build_module, build_trainer
    from diffusion_lightning.checkpoint import config_of, read_checkpoint

    at_least("seed", cfg.seed, 0)
    # Hydra's log shows Lightning's messages; Lightning's own handler would show them twice.
    logging.getLogger("lightning").handlers.clear()
    last = Path(cfg.paths.run_dir) / "checkpoints" / "last.ckpt"
    resuming = cfg.resume and last.exists()
    if last.exists() and not cfg.resume:
        raise UserError(
            f"{last.parent.parent} already holds a run: add resume=true to go on with it, or choose "
            "another hydra.run.dir."
        )
    seed_everything(cfg.seed, workers=True, verbose=False)
    data = build_data(cfg)
    module = build_module(cfg)
    if "wandb" in cfg.logger:
        before = config_of(read_checkpoint(last)) if resuming else None
        cfg.logger.wandb.id = _wandb_id(cfg, before)
    trainer = build_trainer(cfg)
    # The checkpoint carries its config as plain containers: nothing but the file is needed later.
    module.save_hyperparameters(OmegaConf.to_container(cfg, resolve=True))
    trainer.fit(module, data, ckpt_path=str(last) if resuming else None, weights_only=True)
    log.info("run: %s", cfg.paths.run_dir)
    loss = trainer.callback_metrics.get("val/loss")
    return None if loss is None else float(loss)


def _wandb_id(cfg: DictConfig, before: DictConfig | None) -> str:
    """The W&B run to log to: the given one, that of the run being resumed, or a new one."""
    import uuid

    resumed = before and OmegaConf.select(before, "logger.wandb.id")
    return cfg.logger.wandb.id or resumed or uuid.uuid4().hex[:8]


@hydra.main(version_base="1.3", config_path="conf", config_name="train")
@task
def main(cfg: DictConfig) -> float | None:
    """Command line."""
    return train(cfg)


if __name__ == "__main__":
    main()
