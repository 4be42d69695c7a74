"""Where published weights are: a path here, or a repository of the Hugging Face hub."""

import re
from pathlib import Path

from diffusion_lightning.compat import needs
from diffusion_lightning.errors import UserError

PATTERNS = "*.json", "*.safetensors", "*/*.json", "*/*.safetensors"
"""What is downloaded: nothing that could run."""


def local(source: str, revision: str | None = None) -> Path:
    """The path of the weights; a name `owner/name`, which is no path here, is downloaded into the hub's cache.

    Raises:
        UserError: if there are none, or the hub cannot be reached.
    """
    path, name = Path(source).expanduser(), source.removeprefix("hf:")
    if path.exists():
        return path
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", name):
        raise UserError(
            f"source={source} is not there; give a folder, a file, or a name on the hub, owner/name."
        )
    hub = needs("huggingface_hub", "diffusers")
    try:
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=list(PATTERNS)))
    except Exception as error:  # of the network, the hub, or the disk
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"source={source} is no path here, and the hub did not give it ({reason[:200]})."
        ) from None
