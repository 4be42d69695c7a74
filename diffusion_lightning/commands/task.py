"""What all commands share: checked configs, errors in one line, and a run of W&B that is always closed."""

import functools
import logging
import os
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, NoReturn

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.interrupts import interruptible
from diffusion_lightning.commands.messages import user_message
from diffusion_lightning.commands.resolvers import register
from diffusion_lightning.compat import report_hydra_errors
from diffusion_lightning.config.paths import check_places, conf_folder
from diffusion_lightning.config.ranges import check_ranges
from diffusion_lightning.config.types import check_config
from diffusion_lightning.errors import UserError

log = logging.getLogger(__name__)


def run_command(
    function: Callable[[DictConfig], Any],
    config_name: str,
    check: Callable[[DictConfig], None] | None = None,
) -> None:
    """Run a command as its command line says: compose its config, and call the function with it.

    Args:
        function: what the command does; a sweep calls it once per job, perhaps in other processes.
        config_name: the name of its config in conf/.
        check: refuses what the command does not take, before any value of the config is resolved.
    """
    sys.argv[1:] = map(quoted, sys.argv[1:])
    task = Task(function, swept_options(sys.argv[1:]), check)
    register(task.swept)
    report_hydra_errors(_end)
    with interruptible():
        hydra.main(version_base="1.3", config_path=str(conf_folder()), config_name=config_name)(task)()


class Task:
    """A function of a config, as Hydra calls it: the config is checked and frozen before.

    A worker of a sweep receives it pickled, and composes the job's config after that: unpickling it
    registers the resolvers there.
    """

    def __init__(
        self,
        function: Callable[[DictConfig], Any],
        swept: Collection[str] = (),
        check: Callable[[DictConfig], None] | None = None,
    ) -> None:
        self.function = function
        self.swept = frozenset(swept)
        self.check = check
        functools.update_wrapper(self, function)

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (self.function, self.swept, self.check)

    def __call__(self, cfg: DictConfig) -> Any:
        """What the function returns; bad input is reported in one line."""
        failed = True
        try:
            if self.check:
                self.check(cfg)
            check_config(cfg)
            check_ranges(cfg)
            check_places(cfg)
            OmegaConf.set_readonly(cfg, True)
            result = self.function(cfg)
            failed = False
            return result
        except Exception as error:
            # Hydra prints a traceback of a job's error; in a sweep the other jobs have their turn first.
            if HydraConfig.get().mode == RunMode.RUN:
                _end(error)
            if message := user_message(error):
                log.error(message)
            raise
        finally:
            # The next job of a sweep would log to a run that is still open.
            if "wandb" in sys.modules:
                sys.modules["wandb"].finish(exit_code=int(failed))


def _received(
    function: Callable[[DictConfig], Any],
    swept: Collection[str],
    check: Callable[[DictConfig], None] | None,
) -> Task:
    register(swept)
    return Task(function, swept, check)


def swept_options(arguments: Sequence[str]) -> set[str]:
    """The options of a command line that a sweep is over: `data_dir` of `data_dir=a,b`."""
    try:
        overrides = OverridesParser.create().parse_overrides([a for a in arguments if a[:1] != "-"])
    except HydraException:  # which Hydra will report
        return set()
    return {override.key_or_group for override in overrides if override.is_sweep_override()}


def make_folder(out: Path) -> None:
    """Make the folder that `out=` names, if it does not exist.

    Raises:
        UserError: if it cannot be made, or nothing can be written there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"out={out} cannot be a folder ({error.strerror}); choose another out=.") from None
    if not os.access(out, os.W_OK):
        raise UserError(f"out={out} cannot be written to; choose another out=.")


def quoted(argument: str) -> str:
    """A `key=value` with quotes around letters outside ASCII, which Hydra's grammar does not know."""
    key, equals, value = argument.partition("=")
    plain = value.isascii() or set(value) & set("'\"\\,()[]{}$")
    return argument if plain or not equals else f"{key}='{value}'"


def _end(error: Exception) -> NoReturn:
    """End the program with one line; with the error itself if it is a bug, or wanted in full."""
    message = user_message(error)
    if message is None or os.environ.get("HYDRA_FULL_ERROR") == "1":
        raise error
    raise SystemExit(f"error: {message}") from None
