"""What `${name:…}` in conf/ stands for: names of folders, and how many GPUs there are."""

import hashlib
from collections.abc import Callable, Collection
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.gpu_per_job import visible_gpus
from diffusion_lightning.commands.hydra_plugins import rename_plugins
from diffusion_lightning.commands.run_names import config_folder, job_name, run_name
from diffusion_lightning.config.options import unnamed


def register(swept: Collection[str] = ()) -> None:
    """Make all of them known to OmegaConf, and the launchers and sweepers known to Hydra by our names.

    Args:
        swept: the options that the command line sweeps over.
    """

    def unnamed_options(command: str, *, _root_: DictConfig) -> list[str]:
        params = OmegaConf.select(_root_, "hydra.sweeper.params") or {}
        return unnamed(command, {*swept, *params})

    resolvers: dict[str, Callable[..., Any]] = {
        "config_folder": config_folder,
        "job_folder": job_folder,
        "job_name": job_name,
        "not_installed": not_installed,
        "num_gpus": lambda least: max(len(visible_gpus()), least),
        "path_name": path_name,
        "samples_folder": samples_folder,
        "unnamed_options": unnamed_options,
    }
    for name, function in resolvers.items():
        OmegaConf.register_new_resolver(name, function, replace=True)
    # The name of a run is the time of its start: the same, however often it is asked for
    OmegaConf.register_new_resolver("run_name", run_name, replace=True, use_cache=True)
    rename_plugins()


def job_folder(overrides: str) -> str:
    """A sweep job's overrides as one folder name: no slashes, at most 150 characters and 255 bytes."""
    name = "".join(c for c in overrides.replace("/", ".") if c.isprintable() and c != " ").strip(".")
    if len(name) <= 150 and len(name.encode()) <= 255:
        return name or "defaults"
    start = name.encode()[:140].decode(errors="ignore")
    return f"{start}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


def samples_folder(kind: str) -> str:
    """The folder of samples or evaluations: that of the job in a sweep, otherwise one named by the time."""
    hydra = HydraConfig.get()
    if hydra.mode == RunMode.MULTIRUN:
        return hydra.runtime.output_dir
    return f"outputs/{kind}/{datetime.now():%Y-%m-%d_%H-%M-%S}"


def path_name(path: str | None) -> str:
    """The last folder and the file's name of a path, as one name."""
    end = Path(path or "none")
    end = end if end.name.strip(".") else end.resolve()
    return "-".join(filter(None, (end.parent.name, end.stem)))


def not_installed() -> NoReturn:
    """Stands for a launcher or a sweeper that is not installed.

    Raises:
        SystemExit: OmegaConf would wrap any other exception, and Hydra print a traceback.
    """
    message = "this launcher or sweeper is not installed; pip install 'diffusion-lightning[sweeps]'."
    raise SystemExit(f"error: {message}")
