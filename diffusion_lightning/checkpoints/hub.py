"""Models from the Hugging Face hub: `hf:owner/name`, or of one revision `hf:owner/name@revision`."""

from pathlib import Path

from diffusion_lightning.checkpoints.safetensors_file import MODEL
from diffusion_lightning.errors import UserError


def fetched(name: str) -> Path:
    """The weights of the repository `owner/name[@revision]`, downloaded into the library's own cache."""
    raise UserError(f"hf:{name}: {MODEL}: not yet")
