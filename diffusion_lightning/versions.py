"""What code a result was computed by: the versions of the packages, and the commit of a clone."""

import platform
import subprocess
from functools import cache
from importlib.metadata import version
from pathlib import Path

from diffusion_lightning import __version__

PACKAGES = "torch", "torchvision", "lightning", "numpy"

CLONE = Path(__file__).resolve().parents[1]
"""The clone that this code runs from, if it is one."""


@cache
def versions() -> dict[str, str]:
    """The versions of what a result may depend on, as they were when they were first asked for."""
    ours = {"python": platform.python_version(), "diffusion-lightning": __version__}
    found = commit(CLONE)
    return ours | ({"commit": found} if found else {}) | {name: version(name) for name in PACKAGES}


def commit(clone: Path) -> str | None:
    """The hash of a clone's commit, with `-dirty` if its files were changed since.

    None if the folder is no clone, as that of an installed package, or git cannot tell.
    """
    if not (clone / ".git").exists():
        return None
    describe = ["git", "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        done = subprocess.run(describe, cwd=clone, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
