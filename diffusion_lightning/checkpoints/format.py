"""The format number of checkpoints, and how those of earlier formats are read."""

from typing import Any

from diffusion_lightning import __version__
from diffusion_lightning.config.renamed import renamed
from diffusion_lightning.errors import UserError

FORMAT = 1
"""Incremented when earlier versions can no longer read a checkpoint."""

KEY = "diffusion_lightning"

ADDED: dict[str, dict[str, Any]] = {
    "network": {"norm_groups": None, "norm_eps": 1e-5, "downsample_padding": 1},
    "times": {"_target_": "diffusion_lightning.UniformTimes"},
}
"""Options that were added later, by group, with what held before; `network`'s are of the U-Net."""


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
    config = checkpoint["hyper_parameters"]
    is_unet = config["network"].get("_target_") == "diffusion_lightning.UNet"
    newer = {
        group: {name: value for name, value in options.items() if name not in config.get(group, {})}
        for group, options in ADDED.items()
        if is_unet or group != "network"
    }
    return {group: options for group, options in newer.items() if options}


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
        today["hyper_parameters"][group] = options | today["hyper_parameters"].get(group, {})
    return today
