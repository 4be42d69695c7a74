"""Where published weights are: a path here, or a repository of the Hugging Face hub."""

from pathlib import Path

from diffusion_lightning.checkpoints.hub import hub_library, is_repository
from diffusion_lightning.errors import UserError

PATTERNS = "*.json", "*.safetensors", "*/*.json", "*/*.safetensors"
"""What is downloaded: nothing that could run."""


def local(source: str, revision: str | None = None) -> Path:
    """The path of the weights; `owner/name`, which is no path here, is downloaded to the hub's cache.

    Raises:
        UserError: if there are none, or the hub cannot be reached.
    """
    path, name = Path(source).expanduser(), source.removeprefix("hf:")
    if path.exists():
        return path
    if not is_repository(name):
        raise UserError(f"source={source} is not there; give a folder, a file, or owner/name on the hub.")
    hub = hub_library()
    try:
        return Path(hub.snapshot_download(name, revision=revision, allow_patterns=list(PATTERNS)))
    except Exception as error:  # of the network, the hub, or the disk
        at = f" at revision={revision}" if revision else ""
        raise UserError(
            f"source={source} is no path here, and the hub did not give it{at} ({type(error).__name__}): "
            "check the name and the network, or give a folder."
        ) from None
