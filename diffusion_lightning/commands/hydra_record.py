"""Hydra's record of a run, `.hydra/`: the config, its overrides, and Hydra's own part."""

from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from lightning.pytorch import Callback
from lightning.pytorch.utilities import rank_zero_only
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.folders import new_folder


class HydraRecord(Callback):
    """Writes the record when training starts: nothing can refuse the run any more.

    Hydra itself would write it before anything is checked. A run that starts replaces what an earlier start
    left that never came to train; a resumed run is recorded in `.hydra/resumed/<time>/`.

    Args:
        cfg: the config that the command line composed.
        folder: the run's.
        resumed: whether the run was started before.
    """

    def __init__(self, cfg: DictConfig, folder: Path, resumed: bool) -> None:
        self.cfg = cfg
        self.folder = folder / ".hydra"
        self.resumed = resumed
        self.hydra: Any = HydraConfig.instance().cfg

    @rank_zero_only
    def on_train_start(self, *_: Any) -> None:
        """Write it."""
        if self.hydra is None:
            return
        out = Path(new_folder(str(self.folder / "resumed"))) if self.resumed else self.folder
        out.mkdir(parents=True, exist_ok=True)
        parts = {"config": self.cfg, "hydra": self.hydra, "overrides": self.hydra.hydra.overrides.task}
        for name, part in parts.items():
            OmegaConf.save(part, out / f"{name}.yaml")
