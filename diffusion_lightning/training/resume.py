"""Resuming a run: what its folder holds, and whether the command is that of the same run."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.checkpoints.format import added_options
from diffusion_lightning.checkpoints.reader import config_of, read_checkpoint
from diffusion_lightning.config.changed import changed
from diffusion_lightning.config.options import decisive, flat
from diffusion_lightning.config.renamed import renamed
from diffusion_lightning.errors import UserError

LIMITS = "max_epochs", "min_epochs", "max_steps", "min_steps", "max_time"
"""When a run is finished."""


@dataclass(frozen=True)
class EarlierRun:
    """The run that a folder already holds.

    Args:
        checkpoint: its last checkpoint.
        config: the config of the checkpoint.
        finished: whether the run came to its end.
        added: options younger than the run, with the values that they have in it.
    """

    checkpoint: Path
    config: DictConfig
    finished: bool
    added: dict[str, Any]

    def adopted(self, cfg: DictConfig, named: Collection[str]) -> DictConfig:
        """The present config, with the values that options younger than the run have in it.

        Args:
            cfg: the present config.
            named: options that the command line names; they stay as they are, and `check` compares them.
        """
        older = {key: value for key, value in self.added.items() if not {key, key.split(".")[0]} & {*named}}
        return changed(cfg, older)

    def check(self, cfg: DictConfig) -> None:
        """Compare with the present config.

        Raises:
            UserError: if an option differs that decides the weights.
        """
        before, now = _decisive(self.config), _decisive(cfg)
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                raise UserError(
                    f"the run in {cfg.paths.run_dir} has {name}={before.get(name)}, but this command "
                    f"says {now.get(name)}: repeat the run's own command with resume=true, or choose another "
                    "hydra.run.dir for a new run."
                )

    def is_done(self, cfg: DictConfig) -> bool:
        """Whether there is nothing left to train."""
        return self.finished and all(
            OmegaConf.select(self.config, f"trainer.{name}") == cfg.trainer[name] for name in LIMITS
        )


def earlier_run(cfg: DictConfig) -> EarlierRun | None:
    """What the run's folder holds, if it is to be resumed; None if it has no checkpoint yet.

    Raises:
        UserError: if it holds a run, and `resume` is not set; if the checkpoint is damaged.
    """
    folder = Path(cfg.paths.run_dir)
    last = folder / "checkpoints" / "last.ckpt"
    if not cfg.resume and (last.exists() or (folder / "metrics.csv").exists()):
        raise UserError(
            f"{folder} already holds a run: add resume=true to resume it, or choose another hydra.run.dir."
        )
    if not last.exists():
        return None
    checkpoint = read_checkpoint(last)
    finished = checkpoint.get("finished", False)
    return EarlierRun(last, OmegaConf.create(config_of(checkpoint)), finished, added_options(checkpoint))


def named_options() -> set[str]:
    """The options that the command line names."""
    overrides = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    return {entry.lstrip("+~").partition("=")[0] for entry in overrides}


def wandb_id(folder: Path) -> str | None:
    """The id of the W&B run that a run's folder logs to, from the latest of W&B's own folders there."""
    found = sorted((folder / "wandb").glob("*run-*-*"), key=lambda path: path.name.partition("run-")[2])
    return found[-1].name.rpartition("-")[2] if found else None


def _decisive(cfg: DictConfig) -> dict[str, Any]:
    """The full key and the value of every option that decides the weights."""
    plain: Any = renamed(OmegaConf.to_container(cfg, resolve=True))
    return dict(flat(decisive("train", plain)))
