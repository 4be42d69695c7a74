"""What both command lines share: readable errors, and names for sweep folders."""

import functools
import hashlib
import logging
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.errors import CompactHydraException, InstantiationException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from diffusion_lightning.errors import UserError
from diffusion_lightning.gpus import visible_gpus
from diffusion_lightning.plugins import rename_plugins

log = logging.getLogger(__name__)


def job_folder(overrides: str) -> str:
    """A sweep job's overrides as one folder name: no slashes, at most 150 characters."""
    name = overrides.replace("/", ".").replace(" ", "") or "defaults"
    if len(name) <= 150:
        return name
    return f"{name[:140]}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def samples_folder(kind: str) -> str:
    """Where samples or evaluations go: a sweep's job has its folder, a single run one named by the time."""
    hydra = HydraConfig.get()
    if hydra.mode == RunMode.MULTIRUN:
        return hydra.runtime.output_dir
    return f"outputs/{kind}/{datetime.now():%Y-%m-%d_%H-%M-%S}"


def path_name(path: str | None) -> str:
    """The end of a path, folder and name, as one name."""
    return "-".join(Path(path).with_suffix("").parts[-2:]).strip("/") if path else "none"


OmegaConf.register_new_resolver("job_folder", job_folder, replace=True)
OmegaConf.register_new_resolver("path_name", path_name, replace=True)
OmegaConf.register_new_resolver("samples_folder", samples_folder, replace=True)
OmegaConf.register_new_resolver("num_gpus", lambda least: max(len(visible_gpus()), least), replace=True)
rename_plugins()


def task(function: Callable[[DictConfig], Any]) -> Callable[[DictConfig], Any]:
    """Wrap a Hydra task: bad input becomes one readable message, and W&B's run is always closed."""

    @functools.wraps(function)
    def wrapped(cfg: DictConfig) -> Any:
        try:
            return function(cfg)
        except Exception as error:
            message = user_message(error)
            if message is None:
                raise
            # In a sweep Hydra shows only the first failure, at the very end.
            if HydraConfig.get().mode == RunMode.MULTIRUN:
                log.error(message)
            raise CompactHydraException(f"error: {message}") from None
        finally:
            # An open run would swallow the next job of a sweep.
            if "wandb" in sys.modules:
                sys.modules["wandb"].finish()

    return wrapped


def user_message(error: BaseException) -> str | None:
    """The message for the user if the error, or what Hydra wrapped in it, is about their input."""
    if isinstance(error, InstantiationException):
        cause = error.__cause__
        if isinstance(cause, UserError):
            return str(cause)
        from lightning.fabric.utilities.exceptions import MisconfigurationException

        # A wrong or missing argument of a class, as Hydra words it.
        bad = TypeError, ValueError, ImportError, MisconfigurationException
        return str(error) if cause is None or isinstance(cause, bad) else None
    if isinstance(error, UserError | OmegaConfBaseException):
        return str(error)
    return None
