"""What the folder of a run holds: its config, metrics, pictures, evaluations, and how it ended."""

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from omegaconf import OmegaConf

from diffusion_lightning.checkpoints.format import KEY, LAST, NOT_FINITE
from diffusion_lightning.checkpoints.reader import config_of, read_checkpoint
from diffusion_lightning.config.renamed import renamed
from diffusion_lightning.errors import UserError
from diffusion_lightning.files import is_held
from diffusion_lightning.runs.evaluations import Evaluation, evaluations_in
from diffusion_lightning.runs.failure import FAILURE, why_failed
from diffusion_lightning.runs.metrics import FILE, Metrics

State = Literal["running", "finished", "failed", "stopped"]
"""A run that is `stopped` was interrupted or killed, and may be resumed."""


@dataclass(frozen=True)
class Picture:
    """A grid of samples that was drawn during training.

    Args:
        path: a PNG.
        step: the optimizer steps before it.
        images_seen: the images before it; None if metrics.csv does not say.
    """

    path: Path
    step: int
    images_seen: float | None


@dataclass(frozen=True)
class Saved:
    """What the last checkpoint of a run says, beside its weights.

    Args:
        finished: whether the run came to its end.
        step: the optimizer steps before it.
        epoch: the epochs before it.
        versions: of this package and of Lightning, which is all that earlier runs said of what they ran with.
        config: the run's.
    """

    finished: bool
    step: int
    epoch: int
    versions: dict[str, str]
    config: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A run, as its folder is at this moment; another process may be training it.

    Args:
        folder: the run's.
        state: how it ended, if it did.
        error: why it failed, as far as its folder says.
        config: its resolved config, as plain containers; empty if it is not known.
        overrides: what the command line changed.
        metrics: everything that it logged.
        pictures: its grids of samples, in order.
        evaluations: those within its folder.
        saved: its last checkpoint; None if it has none that can be read.
        problem: why the last checkpoint cannot be read.
    """

    folder: Path
    state: State
    error: str
    config: dict[str, Any]
    overrides: tuple[str, ...]
    metrics: Metrics
    pictures: tuple[Picture, ...]
    evaluations: tuple[Evaluation, ...]
    saved: Saved | None
    problem: str

    @classmethod
    def read(cls, folder: Path | str) -> "Run":
        """The run in a folder.

        Raises:
            UserError: if there is none, or its metrics are damaged.
        """
        folder = Path(folder)
        if not is_run(folder):
            raise UserError(
                f"{folder} holds no run: it has no {FILE} and no checkpoint; give the folder of a run."
            )
        metrics = Metrics.read(folder)
        saved, problem = _saved(folder)
        state, error = _ended(folder, saved)
        return cls(
            folder,
            state,
            error,
            _config(folder) or (saved.config if saved else {}),
            _overrides(folder),
            metrics,
            tuple(_pictures(folder, metrics)),
            tuple(evaluations_in(folder)),
            saved,
            problem,
        )

    def group(self, name: str) -> dict[str, Any]:
        """A group of the config; empty if it has none of this name."""
        group = self.config.get(name)
        return group if isinstance(group, dict) else {}

    @property
    def checkpoint(self) -> Path:
        """The last checkpoint, which may not be there."""
        return _last(self.folder)


def is_run(folder: Path) -> bool:
    """Whether a run, or the job of a sweep, has left something in this folder."""
    there = (folder / FILE).is_file() or (folder / FAILURE).is_file()
    return there or any(folder.glob("checkpoints/*.ckpt"))


def _last(folder: Path) -> Path:
    return folder / "checkpoints" / LAST


def _saved(folder: Path) -> tuple[Saved | None, str]:
    """What the last checkpoint says, if there is one, or why it cannot be read."""
    file = _last(folder)
    if not file.is_file():
        return None, ""
    stat = file.stat()
    try:
        return _read_saved(file, stat.st_mtime_ns, stat.st_size), ""
    except UserError as error:
        return None, str(error)


@lru_cache(maxsize=64)
def _read_saved(file: Path, *_: int) -> Saved:
    """Read once for each state of the file."""
    checkpoint = read_checkpoint(file, mmap=True)
    stamp = checkpoint.get(KEY) or {}
    versions = {
        "diffusion-lightning": stamp.get("version"),
        "lightning": checkpoint.get("pytorch-lightning_version"),
    }
    return Saved(
        bool(checkpoint.get("finished")),
        int(checkpoint.get("global_step", 0)),
        int(checkpoint.get("epoch", 0)),
        {name: str(version) for name, version in versions.items() if version},
        config_of(checkpoint),
    )


def _ended(folder: Path, saved: Saved | None) -> tuple[State, str]:
    """The state of the run, and why it failed."""
    if is_held(folder):
        return "running", ""
    if error := why_failed(folder):
        return "failed", error
    spoilt, last = folder / "checkpoints" / NOT_FINITE, _last(folder)
    if spoilt.is_file() and not (last.is_file() and last.stat().st_mtime_ns > spoilt.stat().st_mtime_ns):
        return "failed", f"the gradient was not finite; {spoilt.name} is the state before the step."
    return "finished" if saved and saved.finished else "stopped", ""


def _config(folder: Path) -> dict[str, Any]:
    """The config in the CSV logger's hparams.yaml, where it is resolved; empty if there is none."""
    try:
        config: Any = OmegaConf.to_container(OmegaConf.load(folder / "hparams.yaml"))
    except Exception:  # whatever a damaged file makes of the parser
        return {}
    return renamed(config) if isinstance(config, dict) else {}


def _overrides(folder: Path) -> tuple[str, ...]:
    try:
        overrides: Any = OmegaConf.to_container(OmegaConf.load(folder / ".hydra" / "overrides.yaml"))
    except Exception:  # as above
        return ()
    return tuple(map(str, overrides)) if isinstance(overrides, list) else ()


def _pictures(folder: Path, metrics: Metrics) -> list[Picture]:
    files = {path: re.fullmatch(r"step_(\d+)", path.stem) for path in (folder / "samples").glob("*.png")}
    steps = sorted((int(found[1]), path) for path, found in files.items() if found)
    return [Picture(path, step, metrics.images_after(step)) for step, path in steps]
