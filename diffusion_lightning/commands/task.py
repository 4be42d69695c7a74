"""What all command lines share: errors in one line, checked configs, and names for folders."""

import functools
import hashlib
import logging
import os
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

import hydra._internal.utils
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.gpu_per_job import visible_gpus
from diffusion_lightning.commands.hydra_plugins import rename_plugins
from diffusion_lightning.commands.messages import user_message
from diffusion_lightning.commands.run_names import config_folder, job_name, run_name
from diffusion_lightning.config.paths import check_places
from diffusion_lightning.config.ranges import check_ranges
from diffusion_lightning.config.types import check_config
from diffusion_lightning.errors import UserError

log = logging.getLogger(__name__)


def job_folder(overrides: str) -> str:
    """A sweep job's overrides as one folder name: no slashes, at most 150 characters, and 255 bytes."""
    name = "".join(c for c in overrides.replace("/", ".") if c.isprintable() and c != " ").strip(".")
    if len(name) <= 150 and len(name.encode()) <= 255:
        return name or "defaults"
    start = name.encode()[:140].decode(errors="ignore")
    return f"{start}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def samples_folder(kind: str) -> str:
    """Where samples or evaluations go: a sweep's job has its folder, a single run one named by the time."""
    hydra = HydraConfig.get()
    if hydra.mode == RunMode.MULTIRUN:
        return hydra.runtime.output_dir
    return f"outputs/{kind}/{datetime.now():%Y-%m-%d_%H-%M-%S}"


def path_name(path: str | None) -> str:
    """The end of a path, folder and name, as one name."""
    end = Path(path or "none")
    end = end if end.name.strip(".") else end.resolve()
    return "-".join(filter(None, (end.parent.name, end.stem)))


def make_folder(out: Path) -> None:
    """Make the folder that `out=` names, if it is not there.

    Raises:
        UserError: if it cannot be made, or nothing can be written there.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"out={out} cannot be a folder ({error.strerror}); choose another out=.") from None
    if not os.access(out, os.W_OK):
        raise UserError(f"out={out} is not yours to write into; choose another out=.")


OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)
OmegaConf.register_new_resolver("path_name", path_name, replace=True)
OmegaConf.register_new_resolver("samples_folder", samples_folder, replace=True)
OmegaConf.register_new_resolver("run_name", run_name, replace=True, use_cache=True)
OmegaConf.register_new_resolver("config_folder", config_folder, replace=True)
OmegaConf.register_new_resolver("job_name", job_name, replace=True)
OmegaConf.register_new_resolver("num_gpus", lambda least: max(len(visible_gpus()), least), replace=True)
rename_plugins()


def quoted(argument: str) -> str:
    """A `key=value` with quotes around letters of other languages, which Hydra takes for mistakes."""
    key, equals, value = argument.partition("=")
    plain = value.isascii() or set(value) & set("'\"\\,()[]{}$")
    return argument if plain or not equals else f"{key}='{value}'"


def run_and_report(func: Callable[[], Any]) -> Any:
    """What Hydra runs everything in, with one line where it would print a traceback of its own."""
    try:
        return func()
    except Exception as error:
        _end(error)


# Errors of the command line itself come from here alone, before any task has begun.
hydra._internal.utils.run_and_report = run_and_report


def task(function: Callable[[DictConfig], Any]) -> Callable[[DictConfig], Any]:
    """Wrap a Hydra task: the config is checked, bad input is one line, and W&B's run is always closed."""
    sys.argv[1:] = map(quoted, sys.argv[1:])

    @functools.wraps(function)
    def wrapped(cfg: DictConfig) -> Any:
        failed = True
        try:
            check_config(cfg)
            check_ranges(cfg)
            check_places(cfg)
            result = function(cfg)
            failed = False
            return result
        except Exception as error:
            # Hydra prints more before it hands on a job's error; in a sweep other jobs have their turn first.
            if HydraConfig.get().mode == RunMode.RUN:
                _end(error)
            if message := user_message(error):
                log.error(message)
            raise
        finally:
            # An open run would swallow the next job of a sweep.
            if "wandb" in sys.modules:
                sys.modules["wandb"].finish(exit_code=int(failed))

    return wrapped


def _end(error: Exception) -> NoReturn:
    """End the program with one line; with the error itself if it is ours, or wanted in full."""
    message = user_message(error)
    if message is None or os.environ.get("HYDRA_FULL_ERROR") == "1":
        raise error
    raise SystemExit(f"error: {message}") from None
