"""A node of a config → the object that it describes."""

from typing import Any

import hydra.utils
from omegaconf import OmegaConf

from diffusion_lightning.config.renamed import renamed


def instantiate(node: Any, **changes: Any) -> Any:
    """Hydra's `instantiate`, with plain lists and dicts as arguments, so that no object sees a config.

    Args:
        node: a config or a plain container; a `_target_` may be a name of an earlier version.
        changes: arguments to add or to replace.
    """
    plain = OmegaConf.to_container(node, resolve=True) if OmegaConf.is_config(node) else node
    today = renamed(plain)
    # Hydra's errors say where a node stands, as long as it is part of the whole config
    return hydra.utils.instantiate(node if today == plain else today, _convert_="all", **changes)
