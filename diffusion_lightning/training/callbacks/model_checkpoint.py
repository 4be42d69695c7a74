"""Checkpoints that are kept: the best ones, or one every n steps."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint as LightningModelCheckpoint

from diffusion_lightning.compat import checkpoint_memory, remember_checkpoint
from diffusion_lightning.errors import UserError

PATHS = "best_model_path", "kth_best_model_path", "last_model_path"
"""What Lightning keeps as absolute paths; and the keys of best_k_models."""


class ModelCheckpoint(LightningModelCheckpoint):
    """Lightning's ModelCheckpoint, for runs that may be stopped, resumed and moved at any moment.

    The step is part of every name, so no checkpoint replaces another. Its state holds names relative to its
    folder, and all that decides when it saves next. A `_target_` of Lightning's class means this one.

    Args:
        dirpath: the folder of the files.
        filename: Lightning's template; `-step{step:07d}` is added if the step is not in it.
        save_last: not taken, since `LastCheckpoint` keeps last.ckpt.
        enable_version_counter: not taken, since a resumed run writes the same files again.
        others: see Lightning's class.

    Raises:
        UserError: if one of the last two is set.
    """

    def __init__(
        self,
        dirpath: str,
        filename: str = "{epoch}-{step}",
        *,
        save_last: bool | Literal["link"] | None = None,
        enable_version_counter: bool = False,
        auto_insert_metric_name: bool = True,
        **others: Any,
    ) -> None:
        if save_last:
            raise UserError(
                f"save_last is {save_last}, but last.ckpt is what a run resumes from, and callbacks.last "
                "writes it, at moments from which a run resumes exactly; leave save_last out."
            )
        if enable_version_counter:
            raise UserError("enable_version_counter is true; the step is in every name, so leave it out.")
        if "{step" not in filename:
            filename += "-{step:07d}" if auto_insert_metric_name else "-step{step:07d}"
        super().__init__(
            dirpath,
            filename,
            auto_insert_metric_name=auto_insert_metric_name,
            enable_version_counter=False,
            **others,
        )

    @property
    def state_key(self) -> str:
        """Two that differ in their names only have states of their own."""
        return f"{super().state_key}{self.filename}"

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take over the state of the same callback with another filename; before version 0.2 it had none."""
        states, same = checkpoint["callbacks"], super().state_key
        keys = {callback.state_key for callback in trainer.callbacks}  # type: ignore[attr-defined]
        free = [key for key in states if key.startswith(same) and key not in keys]
        if free and self.state_key not in states:
            states[self.state_key] = states.pop(free[0])

    def state_dict(self) -> dict[str, Any]:
        """Lightning's, but that names are relative to the folder."""
        state = _with_paths(super().state_dict(), lambda path: _relative(path, Path(str(self.dirpath))))
        return state | {"dirpath": "", "memory": checkpoint_memory(self)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Find the files where the run is now."""
        here, there = Path(str(self.dirpath)), Path(state_dict["dirpath"])
        state = _with_paths(state_dict, lambda path: str(here / _relative(path, there)))
        super().load_state_dict(state | {"dirpath": self.dirpath})
        remember_checkpoint(self, state.get("memory", {}))


def _with_paths(state: dict[str, Any], change: Callable[[str], str]) -> dict[str, Any]:
    """The state with all its paths changed; an empty one stands for no file."""
    paths = {name: change(state[name]) if state[name] else "" for name in PATHS}
    return {
        **state,
        **paths,
        "best_k_models": {change(p): score for p, score in state["best_k_models"].items()},
    }


def _relative(path: str, folder: Path) -> str:
    return Path(path).relative_to(folder).as_posix() if Path(path).is_relative_to(folder) else path
