"""Where configs are read from, and where a run may write."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.config.changed import changed
from diffusion_lightning.errors import UserError

FOLDERS = "folder", "dirpath", "save_dir", "default_root_dir"
"""Arguments that are a folder."""

NAMES = "filename", "name", "version"
"""Arguments that are part of the name of a file or folder."""


def conf_folder() -> Path:
    """The folder conf/: within the package if it was installed from a wheel, beside it in a clone."""
    package = Path(__file__).resolve().parents[1]
    inside = package / "conf"
    return inside if inside.is_dir() else package.parent / "conf"


def at_home(cfg: DictConfig) -> DictConfig:
    """The config with the home folder in place of the `~` that a path begins with, wherever it stands.

    A shell replaces it at the beginning of a word alone, and so not in `data_dir=~/data`.
    """
    typed = dict(_below_home(OmegaConf.to_container(cfg), ""))
    return changed(cfg, {key: str(Path(path).expanduser()) for key, path in typed.items()}) if typed else cfg


def _below_home(node: Any, where: str) -> Iterator[tuple[str, str]]:
    """The full key and the value of every text that begins with `~`."""
    items = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in items:
        if isinstance(value, str) and (value == "~" or value.startswith("~/")):
            yield f"{where}{key}", value
        yield from _below_home(value, f"{where}{key}.")


def check_places(cfg: DictConfig) -> None:
    """Refuse folders and names of callbacks and loggers that lead out of `paths.run_dir`.

    Raises:
        UserError: for the first such path.
    """
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    groups = {name: plain.get(name) or {} for name in ("callbacks", "logger")}
    nodes = {f"{group}.{name}": node for group, parts in groups.items() for name, node in parts.items()}
    for where, node in {"trainer": plain.get("trainer"), **nodes}.items():
        for key in (FOLDERS + NAMES) if isinstance(node, dict) else ():
            if isinstance(path := node.get(key), str):
                _check(f"{where}.{key}", path, Path(plain["paths"]["run_dir"]), of_run=key in NAMES)


def _check(name: str, path: str, run_dir: Path, of_run: bool) -> None:
    place = run_dir / path if of_run else Path(path)
    if not place.resolve().is_relative_to(run_dir.resolve()):
        raise UserError(
            f"{name} is {path}, which leads out of the run's folder {run_dir}; hydra.run.dir=<folder> moves "
            "the whole run."
        )
