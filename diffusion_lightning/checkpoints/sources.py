"""Where a checkpoint comes from: a path, or a name behind a prefix: `zoo:digits`, `hf:owner/name`."""

from collections.abc import Callable
from pathlib import Path

from diffusion_lightning.checkpoints.hub import fetched
from diffusion_lightning.zoo.files import found

SOURCES: dict[str, Callable[[str], Path]] = {"hf": fetched, "zoo": found}
"""Prefix → what finds the file of the name behind it, and downloads it if it has to."""


def located(checkpoint: str | Path) -> Path:
    """The path that a checkpoint's name means; it need not exist.

    Raises:
        UserError: if a name behind a prefix means nothing, or cannot be downloaded.
    """
    prefix, _, name = str(checkpoint).partition(":")
    if is_named(str(checkpoint)):
        return SOURCES[prefix](name)
    return Path(checkpoint).expanduser()


def is_named(text: str) -> bool:
    """Whether it is a name behind a prefix, rather than a path."""
    prefix, colon, _ = text.partition(":")
    return bool(colon) and prefix in SOURCES
