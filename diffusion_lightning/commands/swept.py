"""The options that a sweep is over: its jobs differ in them, so they are part of what a job is."""

from collections.abc import Iterable
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import OmegaConf

_typed: set[str] = set()


def remember(options: Iterable[str]) -> None:
    """Keep those of the command line, which a job's config does not tell from its other options."""
    _typed.clear()
    _typed.update(options)


def all_swept(config: Any) -> set[str]:
    """Those of the command line, and those of the `hydra.sweeper.params` in a config."""
    params = OmegaConf.select(config, "hydra.sweeper.params") or {}
    return _typed | {str(name).lstrip("+~") for name in params}


def sweeping() -> bool:
    """Whether this process does a job of a sweep."""
    return HydraConfig.initialized() and HydraConfig.get().mode == RunMode.MULTIRUN


def swept() -> set[str]:
    """Those of the sweep that this process does a job of; none if it does no sweep."""
    return all_swept(HydraConfig.instance().cfg) if sweeping() else set()
