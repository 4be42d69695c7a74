"""Resuming a run: what its folder holds, and whether the command is that of the same run."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.checkpoints.format import LAST, YOUNGER, resumes_exactly
from diffusion_lightning.checkpoints.reader import config_of, read_checkpoint
from diffusion_lightning.checkpoints.sources import is_named
from diffusion_lightning.config.changed import changed
from diffusion_lightning.config.options import decisive, flat
from diffusion_lightning.config.renamed import renamed
from diffusion_lightning.errors import UserError

IMAGES = "images_sha256"
"""The entry of a run's config that says what was learned: its folder may have any name."""

VERSIONS = "versions"
"""The entry of a run's config that says what code it was last started with."""

LIMITS = "max_epochs", "min_epochs", "max_steps", "min_steps", "max_time"
"""When a run is finished."""


@dataclass(frozen=True)
class EarlierRun:
    """The run that a folder already holds.

    Args:
        checkpoint: its last checkpoint.
        config: the config of the checkpoint.
        finished: whether the run came to its end.
        epoch: the number of epochs that are done.
        images_per_step: images of an optimizer step, over all processes; None if it does not say.
        added: options younger than the run, with the values that they have in it.
    """

    checkpoint: Path
    config: DictConfig
    finished: bool
    epoch: int
    images_per_step: int | None
    added: dict[str, Any]

    def adopted(self, cfg: DictConfig, named: Collection[str]) -> DictConfig:
        """The present config, with the values that options younger than the run have in it.

        Args:
            cfg: the present config.
            named: options that the command line names; they stay as they are, and `check` compares them.
        """
        older = {key: value for key, value in self.added.items() if not {key, key.split(".")[0]} & {*named}}
        return changed(cfg, older)

    def check(self, cfg: DictConfig, swept: Collection[str] = ()) -> None:
        """Compare with the present config.

        Args:
            cfg: the present config.
            swept: the options that a sweep is over; its jobs differ in them.

        Raises:
            UserError: if an option differs that decides the weights, if the run is past the limit on its
                epochs, or if nothing would keep its last checkpoint.
        """
        limit = cfg.trainer.max_epochs
        if limit is not None and 0 <= limit < self.epoch:
            raise UserError(
                f"trainer.max_epochs is {limit}, but the run in {cfg.paths.run_dir} is in "
                f"epoch {self.epoch} already; give at least as many."
            )
        if not cfg.callbacks.get("last"):
            raise UserError(
                "callbacks.last is null; a run resumes by that callback alone, so leave it as it is."
            )
        before, now = _decisive(self.config, swept), _decisive(cfg, swept)
        for name in sorted(before.keys() | now.keys()):
            if before.get(name) != now.get(name):
                raise UserError(
                    f"the run in {cfg.paths.run_dir} has {name}={before.get(name)}, but this command "
                    f"says {now.get(name)}: repeat the run's own command with resume=true, or choose another "
                    "hydra.run.dir for a new run."
                )

    def same_images(self, now: str | None, cfg: DictConfig) -> str | None:
        """The SHA-256 of the images that the run learned, and of those of the present command.

        Args:
            now: the latter; None if their files are not there yet.
            cfg: the present config.

        Raises:
            UserError: if both are known and differ.
        """
        before = self.config.get(IMAGES)  # unknown of a run of before version 0.2
        if before and now and before != now:
            raise UserError(
                f"the run in {cfg.paths.run_dir} learned the images of data_dir={self.config.data_dir}, and "
                f"those of data_dir={cfg.data_dir} are others: repeat the run's own command with "
                "resume=true, or choose another hydra.run.dir for a new run."
            )
        return now or before

    def is_done(self, cfg: DictConfig) -> bool:
        """Whether there is nothing left to train."""
        return self.finished and all(
            OmegaConf.select(self.config, f"trainer.{name}") == cfg.trainer[name] for name in LIMITS
        )


def earlier_run(cfg: DictConfig) -> EarlierRun | None:
    """What the run's folder holds, if it is to be resumed; None if it has no checkpoint yet.

    Raises:
        UserError: if it is no folder, but the name of a model; if it holds a run that is not to be resumed;
            if its last checkpoint is damaged, or was written while a batch was worked on.
    """
    folder = Path(cfg.paths.run_dir)
    if named := next(filter(is_named, folder.parts), None):
        raise UserError(
            f"{named} is the name of a model, which holds no state of its training, and no folder of a run: "
            f"init={named} starts a new run from its weights."
        )
    last = folder / "checkpoints" / LAST
    held = any(folder.glob("checkpoints/*.ckpt")) or (folder / "metrics.csv").exists()
    if held and not (cfg.resume or _is_trial()):
        raise UserError(
            f"{folder} already holds a run: add resume=true to resume it, or choose another hydra.run.dir."
        )
    if not last.exists():
        return None
    checkpoint = read_checkpoint(last)
    if not resumes_exactly(checkpoint):
        raise UserError(
            f"{last} was not written by callbacks.last, but while a batch was worked on: no run resumes "
            "exactly from there. Choose another hydra.run.dir for a new run."
        )
    return EarlierRun(
        last,
        OmegaConf.create(config_of(checkpoint)),
        checkpoint.get("finished", False),
        checkpoint["epoch"],
        checkpoint.get("images_per_step"),
        checkpoint[YOUNGER],
    )


def named_options() -> set[str]:
    """The options that the command line names."""
    overrides = HydraConfig.get().overrides.task if HydraConfig.initialized() else []
    return {entry.lstrip("+~").partition("=")[0] for entry in overrides}


def _is_trial() -> bool:
    """Whether this is a trial of a search: one that is drawn again has the result that it had."""
    if not HydraConfig.initialized():
        return False
    hydra = HydraConfig.get()
    return hydra.mode == RunMode.MULTIRUN and "direction" in hydra.sweeper


def wandb_id(folder: Path) -> str | None:
    """The id of the W&B run that a run's folder logs to, from the latest of W&B's own folders there."""
    found = sorted((folder / "wandb").glob("*run-*-*"), key=lambda path: path.name.partition("run-")[2])
    return found[-1].name.rpartition("-")[2] if found else None


def _decisive(cfg: DictConfig, swept: Collection[str]) -> dict[str, Any]:
    """The full key and the value of every option that decides the weights, or that a sweep is over."""
    plain: Any = renamed(OmegaConf.to_container(cfg, resolve=True))
    plain.pop(IMAGES, None)  # compared before
    plain.pop(VERSIONS, None)  # a run may be resumed by later ones
    return dict(flat(decisive("train", plain, swept)))
