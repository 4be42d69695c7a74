"""What the job of a sweep leaves in its folder if it failed."""

from pathlib import Path

from diffusion_lightning.files import read_json

FAILURE = "failed.json"
"""The file with the error; it is gone when the job succeeds later."""


def why_failed(folder: Path) -> str | None:
    """The error that a job of a sweep failed with; None if it did not fail."""
    file = folder / FAILURE
    if not file.is_file():
        return None
    try:
        return str(read_json(file)["error"])
    except (OSError, ValueError, LookupError, TypeError):
        return f"{FAILURE} is damaged."
