"""What the page may read: models of the zoo and of the hub, and what lies below the folders it was given."""

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from diffusion_lightning.checkpoints.reader import find_checkpoint
from diffusion_lightning.checkpoints.sources import is_named
from diffusion_lightning.errors import UserError
from diffusion_lightning.runs.run import is_run
from diffusion_lightning.sampling.load import load
from diffusion_lightning.sampling.model import DiffusionModel
from diffusion_lightning.zoo.cards import names

DEPTH = 3
"""How far below a folder runs are looked for: `outputs/mnist/<time>`, and the jobs of a sweep."""

MOST_LISTED = 200


@dataclass(frozen=True)
class Places:
    """Folders whose contents may be read, and the model that the page starts with.

    Args:
        start: the checkpoint that the command line names, wherever it is.
        folders: of runs.
    """

    start: str
    folders: tuple[Path, ...]

    def models(self) -> list[str]:
        """What may be chosen: the first model, the zoo, and runs with a checkpoint."""
        zoo = [f"zoo:{name}" for name in names()]
        runs = [run for run in self.runs() if (Path(run) / "checkpoints" / "last.ckpt").is_file()]
        return list(dict.fromkeys([self.start, *zoo, *runs]))

    def runs(self) -> list[str]:
        """The folders of runs, the latest first."""
        found = [run for folder in self.folders for run in _runs_below(folder)]
        return [str(run) for run in sorted(found, key=_changed, reverse=True)][:MOST_LISTED]

    def checkpoint(self, name: str) -> str:
        """The name of a checkpoint, if it may be read.

        Raises:
            UserError: if it lies elsewhere.
        """
        if name == self.start or is_named(name):
            return name
        self.inside(find_checkpoint(self.inside(Path(name))))
        return name

    def run(self, name: str) -> Path:
        """The folder of a run, if it may be read.

        Raises:
            UserError: if it lies elsewhere.
        """
        return self.inside(Path(name))

    def inside(self, path: Path) -> Path:
        """The path, if links and all it leads to what is below one of the folders.

        Raises:
            UserError: if it does not.
        """
        if not any(path.resolve().is_relative_to(folder.resolve()) for folder in self.folders):
            below = ", ".join(map(str, self.folders))
            raise UserError(
                f"{path} is not below {below}: start the playground with folders=[<folder>], or choose "
                "zoo:<name> or hf:<owner>/<name>."
            )
        return path


def _runs_below(folder: Path, depth: int = DEPTH) -> list[Path]:
    """The runs in a folder, down to a depth; links to other folders are not followed."""
    if not folder.is_dir() or not os.access(folder, os.R_OK):
        return []
    if is_run(folder):
        return [folder]
    below = [path for path in sorted(folder.iterdir()) if path.is_dir() and not path.is_symlink()]
    return [run for path in below if depth for run in _runs_below(path, depth - 1)]


def _changed(run: Path) -> float:
    files = run / "metrics.csv", run / "checkpoints" / "last.ckpt"
    return max((file.stat().st_mtime for file in files if file.is_file()), default=0.0)


class Loaded:
    """What is loaded when it is first asked for; whoever else asks meanwhile waits for that."""

    def __init__(self, loading: Callable[[], DiffusionModel]) -> None:
        self._loading = loading
        self._model: DiffusionModel | None = None
        self._one_at_a_time = threading.Lock()

    def __call__(self) -> DiffusionModel:
        """The model; after an error the next call tries again."""
        with self._one_at_a_time:
            self._model = self._model or self._loading()
            return self._model


class Models:
    """The models that were chosen last, loaded once each; a run that goes on training is loaded anew.

    A walk changes nothing in its model, so that several may share it; one that takes long to load keeps
    nobody waiting who asks for another.

    Args:
        places: where they may be.
        loading: further arguments of `load`.
        most: how many are kept.
    """

    def __init__(self, places: Places, loading: dict[str, Any] | None = None, most: int = 3) -> None:
        self.places, self.loading, self.most = places, loading or {}, most
        self._loaded: OrderedDict[tuple[str, int], Loaded] = OrderedDict()
        self._one_at_a_time = threading.Lock()

    def __call__(self, name: str) -> DiffusionModel:
        """The model of that name.

        Raises:
            UserError: if it may not be read, or cannot be.
        """
        checkpoint = self.places.checkpoint(name)
        key = name, 0 if is_named(checkpoint) else find_checkpoint(checkpoint).stat().st_mtime_ns
        with self._one_at_a_time:
            model = self._loaded.pop(key, None) or Loaded(partial(load, checkpoint, **self.loading))
            self._loaded[key] = model
            while len(self._loaded) > self.most:
                self._loaded.popitem(last=False)
        return model()

    def named(self, name: str) -> dict[str, Any]:
        """The options of `sample.py`, and arguments of `load`, that mean this model."""
        return {"checkpoint": name, **self.loading}
