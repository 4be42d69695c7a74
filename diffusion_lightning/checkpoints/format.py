"""The format number of checkpoints, and how those of earlier formats are read."""

from typing import Any

from diffusion_lightning import __version__
from diffusion_lightning.config.renamed import renamed
from diffusion_lightning.errors import UserError

FORMAT = 1
"""Incremented when earlier versions can no longer read a checkpoint."""

KEY = "diffusion_lightning"

ADDED = {"network": {"norm_groups": None, "norm_eps": 1e-5, "downsample_padding": 1}}
"""Options that format 0 (before version 0.2) did not have, with the values of that time."""

DEFAULTS = {"diffusion_lightning.ImageFolder": {"skip_unreadable": False}}
"""Class → options that some configs of format 1 lack; what they do by default is what was done before.

Those that are null by default need no entry: a missing option is null.
"""


def stamp() -> dict[str, Any]:
    """The entry of a checkpoint that holds its format and version."""
    return {KEY: {"format": FORMAT, "version": __version__}}


def format_of(checkpoint: dict[str, Any]) -> int:
    """The checkpoint's format; 0 where it has no entry."""
    entry = checkpoint.get(KEY)
    number = entry.get("format") if isinstance(entry, dict) else 0
    return number if isinstance(number, int) else 0


def added_options(checkpoint: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Options newer than the checkpoint, with the values that it was written under."""
    network = checkpoint["hyper_parameters"]["network"]
    is_unet = network.get("_target_") == "diffusion_lightning.UNet"
    return ADDED if format_of(checkpoint) < 1 and is_unet else {}


def upgraded(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The checkpoint with its config in the names and options of today.

    Raises:
        UserError: if the checkpoint is of a later format.
    """
    if format_of(checkpoint) > FORMAT:
        version = checkpoint[KEY].get("version", "a later version")
        raise UserError(
            f"the checkpoint was written by diffusion-lightning {version} in format {format_of(checkpoint)}, "
            f"and this version reads formats up to {FORMAT}: pip install --upgrade diffusion-lightning."
        )
    today = checkpoint | {"hyper_parameters": renamed(dict(checkpoint["hyper_parameters"]))}
    for group, options in added_options(today).items():
        today["hyper_parameters"][group] = options | today["hyper_parameters"][group]
    today["hyper_parameters"] = with_defaults(today["hyper_parameters"])
    return today


def with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """A plain config, in the names of today, with the options that are younger than it."""
    return {
        group: DEFAULTS.get(str(node.get("_target_")), {}) | node if isinstance(node, dict) else node
        for group, node in config.items()
    }
