"""The format number of checkpoints, and how those of earlier formats are read."""

from typing import Any

from diffusion_lightning import __version__
from diffusion_lightning.config.renamed import renamed
from diffusion_lightning.errors import UserError

FORMAT = 1
"""Incremented when earlier versions can no longer read a checkpoint."""

LAST = "last.ckpt"
"""The name of the checkpoint from which a run resumes."""

NOT_FINITE = "non_finite.ckpt"
"""The name of the state before a step whose gradient was not finite, which ended the run."""

KEY = "diffusion_lightning"

YOUNGER = "younger_options"
"""The entry of a checkpoint that was read: options that it lacked, and what it was written under."""

ADDED: dict[str, Any] = {
    "network.norm_groups": None,
    "network.norm_eps": 1e-5,
    "network.downsample_padding": 1,
    "network.freq_shift": 1,
    "network.patch": 1,
    "times._target_": "diffusion_lightning.UniformTimes",
    "lr_schedule._target_": "diffusion_lightning.Constant",
    "init": None,
}
"""Options of a run that were added later, with what held before; `network`'s are of the U-Net."""

DEFAULTS: dict[str, dict[str, Any]] = {
    "diffusion_lightning.ImageFolder": {"skip_unreadable": False},
    "diffusion_lightning.CIFAR10": {"copy": "original"},
}
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


def added_options(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The full key of every option newer than the checkpoint, and the value that it was written under."""
    config = checkpoint["hyper_parameters"]
    is_unet = config["network"].get("_target_") == "diffusion_lightning.UNet"
    return {
        key: value
        for key, value in ADDED.items()
        if not _holds(config, key) and (is_unet or not key.startswith("network."))
    }


def _holds(config: dict[str, Any], key: str) -> bool:
    group, _, name = key.rpartition(".")
    return name in (config.get(group, {}) if group else config)


def resumes_exactly(checkpoint: dict[str, Any]) -> bool:
    """Whether it was written before a batch or at the end of its run, not while a batch was worked on.

    Lightning counts a batch as ready before it is handed out, and as started when it is trained on.
    """
    if checkpoint.get("finished", False):
        return True
    batches = checkpoint["loops"]["fit_loop"]["epoch_loop.batch_progress"]["current"]
    return batches["ready"] > batches["started"]


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
    config, today[YOUNGER] = with_defaults(today["hyper_parameters"]), added_options(today)
    for key, value in today[YOUNGER].items():
        group, _, name = key.rpartition(".")
        (config.setdefault(group, {}) if group else config)[name] = value
    today["hyper_parameters"] = config
    return today


def with_defaults(config: dict[str, Any]) -> dict[str, Any]:
    """A plain config, in the names of today, with the options that are younger than it."""
    return {
        group: DEFAULTS.get(str(node.get("_target_")), {}) | node if isinstance(node, dict) else node
        for group, node in config.items()
    }
