"""A config is never written after it is composed: whoever knows better makes a new one."""

import copy
from collections.abc import Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf, read_write


def changed(cfg: DictConfig, changes: Mapping[str, Any]) -> DictConfig:
    """A new config with other values.

    Args:
        cfg: a whole config, which stays as it is.
        changes: the full key of each value, such as `dataset.num_classes`, and the value.
    """
    new = copy.deepcopy(cfg)
    with read_write(new):
        for key, value in changes.items():
            OmegaConf.update(new, key, value, merge=False, force_add=True)
    return new
