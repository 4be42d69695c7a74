"""Where a checkpoint comes from: a path, or a name behind a prefix, such as `hf:owner/name`."""

from collections.abc import Callable
from pathlib import Path

from diffusion_lightning.checkpoints.hub import fetched

SOURCES: dict[str, Callable[[str], Path]] = {"hf": fetched}
"""Prefix → what finds the file of the name behind it, and downloads it if it has to."""


def located(checkpoint: str | Path) -> Path:
    """The path that a checkpoint's name means; it need not exist.

    Raises:
        UserError: if a name behind a prefix means nothing, or cannot be downloaded.
    """
    prefix, colon, name = str(checkpoint).partition(":")
    if colon and prefix in SOURCES:
        return SOURCES[prefix](name)
    return Path(checkpoint).expanduser()
