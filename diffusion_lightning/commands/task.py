"""What all commands share: checked configs, errors in one line, and a run of W&B that is always closed."""

import functools
import logging
import os
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.arguments import readable, swept_options
from diffusion_lightning.commands.folders import remove_if_empty
from diffusion_lightning.commands.interrupts import interruptible
from diffusion_lightning.commands.messages import user_message
from diffusion_lightning.commands.output import readers_may_go_away
from diffusion_lightning.commands.resolvers import register
from diffusion_lightning.commands.unread import check_read
from diffusion_lightning.compat import list_groups_once, report_hydra_errors
from diffusion_lightning.config.changed import changed
from diffusion_lightning.config.paths import at_home, check_places, conf_folder
from diffusion_lightning.config.ranges import check_ranges
from diffusion_lightning.config.types import check_config
from diffusion_lightning.errors import UserError

log = logging.getLogger(__name__)


def run_command(function: Callable[[DictConfig], Any], config_name: str) -> None:
    """Run a command as its command line says: compose its config, and call the function with it.

    Args:
        function: what the command does; a sweep calls it once per job, perhaps in other processes.
        config_name: the name of its config in conf/.
    """
    sys.argv[1:] = map(readable, sys.argv[1:])
    task = Task(function, config_name, swept_options(sys.argv[1:]))
    register(task.swept)
    report_hydra_errors(_end)
    list_groups_once()
    with interruptible(), readers_may_go_away():
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name=config_name)(task)()


class Task:
    """A function of a config, as Hydra calls it: the config is checked and frozen before.

    A worker of a sweep receives it pickled, and composes the job's config after that: unpickling it
    registers the resolvers there.
    """

    def __init__(
        self,
        function: Callable[[DictConfig], Any],
        command: str,
        swept: Collection[str] = (),
    ) -> None:
        self.function = function
        self.command = command
        self.swept = frozenset(swept)
        functools.update_wrapper(self, function)

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (self.function, self.command, self.swept)

    def __call__(self, cfg: DictConfig) -> Any:
        """What the function returns; bad input is reported in one line."""
        failed = True
        try:
            check_read(cfg, self.command)
            cfg = at_home(cfg)
            check_config(cfg)
            check_ranges(cfg)
            check_places(cfg)
            cfg = at_hand(cfg)
            OmegaConf.set_readonly(cfg, True)
            result = self.function(cfg)
            failed = False
            return result
        except Exception as error:
            # Hydra prints a traceback of a job's error; in a sweep the other jobs have their turn first.
            if HydraConfig.get().mode == RunMode.RUN:
                _end(error)
            message = user_message(error)
            log.error(message or "the job failed by a bug:", exc_info=message is None)
            raise
        finally:
            if failed:
                remove_if_empty(*_job_folder())
            # The next job of a sweep would log to a run that is still open.
            if "wandb" in sys.modules:
                sys.modules["wandb"].finish(exit_code=int(failed))


def check_checkpoint(cfg: DictConfig) -> None:
    """Refuse a command line that names no model.

    Raises:
        UserError: unless there is a checkpoint.
    """
    if not cfg.checkpoint:
        raise UserError(
            "which model? Give checkpoint=<file.ckpt or run directory>, or checkpoint=zoo:<name>."
        )


def at_hand(cfg: DictConfig) -> DictConfig:
    """The config with a path in place of a checkpoint's name such as `hf:owner/name`.

    So the name is looked up once, and what the command reads and records is one and the same file.
    """
    from diffusion_lightning.checkpoints.sources import is_named, located

    name = str(cfg.get("checkpoint"))
    return changed(cfg, {"checkpoint": str(located(name))}) if is_named(name) else cfg


def _job_folder() -> list[Path]:
    """The folder that Hydra made for the job; none for a config that Hydra did not run."""
    config: Any = HydraConfig.instance().cfg
    folder = OmegaConf.select(config, "hydra.runtime.output_dir")
    return [Path(folder)] if folder else []


def _received(function: Callable[[DictConfig], Any], command: str, swept: Collection[str]) -> Task:
    register(swept)
    return Task(function, command, swept)


def _end(error: Exception) -> NoReturn:
    """End the program with one line; with the error itself if it is a bug, or wanted in full."""
    message = user_message(error)
    if message is None or os.environ.get("HYDRA_FULL_ERROR") == "1":
        raise error
    raise SystemExit(f"error: {message}") from None
