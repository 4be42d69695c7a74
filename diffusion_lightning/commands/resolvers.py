"""What `${name:…}` in conf/ stands for: names of folders, and how many GPUs there are."""

import hashlib
import re
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, NoReturn

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.folders import new_folder, run_folder
from diffusion_lightning.commands.gpu_per_job import visible_gpus
from diffusion_lightning.commands.hydra_plugins import rename_plugins
from diffusion_lightning.commands.run_names import job_name
from diffusion_lightning.commands.swept import all_swept, remember
from diffusion_lightning.config.options import unnamed

FORBIDDEN = ' <>:"|?*\\'
"""Characters that no folder that we name has; Windows allows none of them but the space."""


def register(swept: Collection[str] = ()) -> None:
    """Make all of them known to OmegaConf, and the launchers and sweepers known to Hydra by our names.

    Args:
        swept: the options that the command line sweeps over.
    """
    remember(swept)

    def unnamed_options(command: str, *, _root_: DictConfig) -> list[str]:
        return unnamed(command, all_swept(_root_))

    resolvers: dict[str, Callable[..., Any]] = {
        "job_folder": job_folder,
        "job_name": job_name,
        "not_installed": not_installed,
        "num_gpus": lambda least: max(len(visible_gpus()), least),
        "path_name": path_name,
        "unnamed_options": unnamed_options,
    }
    for name, function in resolvers.items():
        OmegaConf.register_new_resolver(name, function, replace=True)
    # A folder is made once, however often a config and its copies ask for it
    for function in new_folder, run_folder, samples_folder:
        OmegaConf.register_new_resolver(function.__name__, function, replace=True, use_cache=True)
    rename_plugins()


def job_folder(overrides: str, *, _root_: DictConfig) -> str:
    """A sweep job's overrides as one folder name: no slashes, at most 150 characters and 255 bytes.

    Where the name does not say all, because it would be too long or has characters that a folder's name must
    not have, it ends with a hash of what it should say: jobs that differ have different folders.
    """
    whole = ",".join(filter(None, (overrides, *_hydras_own(_root_))))
    groups = re.sub(r"(?<![^,])([^,=]*)=", lambda key: key[0].replace("/", "."), whole)
    name = "".join(c for c in groups.replace("/", ".") if c.isprintable() and c not in FORBIDDEN).strip(".")
    if name == groups and len(name) <= 150 and len(name.encode()) <= 255:
        return name or "defaults"
    start = name.encode()[:140].decode(errors="ignore")
    return f"{start}-{hashlib.sha256(groups.encode()).hexdigest()[:8]}"


def _hydras_own(config: DictConfig) -> list[str]:
    """The overrides of Hydra's own part that the sweep is over, which are not among those of the job."""
    typed = OmegaConf.select(config, "hydra.overrides.hydra") or ()
    return [text for text in typed if text.lstrip("+~").partition("=")[0] in all_swept(config)]


def samples_folder(kind: str) -> str:
    """The folder of samples or evaluations: that of the job in a sweep, otherwise a new one."""
    hydra = HydraConfig.get()
    return hydra.runtime.output_dir if hydra.mode == RunMode.MULTIRUN else new_folder(f"outputs/{kind}")


def path_name(path: str | None) -> str:
    """The last folder and the file's name of a path, as one name: `zoo-mnist` for `zoo:mnist`."""
    end = Path(path or "none")
    end = end if end.name.strip(".") else end.resolve()
    name = "-".join(filter(None, (end.parent.name, end.stem)))
    return "".join("-" if c in FORBIDDEN else c for c in name)


def not_installed() -> NoReturn:
    """Stands for a launcher or a sweeper that is not installed.

    Raises:
        SystemExit: OmegaConf would wrap any other exception, and Hydra print a traceback.
    """
    message = "this launcher or sweeper is not installed; pip install 'diffusion-lightning[sweeps]'."
    raise SystemExit(f"error: {message}")
