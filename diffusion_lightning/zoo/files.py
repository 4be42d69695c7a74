"""Where the models of the zoo lie."""

from pathlib import Path

from diffusion_lightning.errors import UserError
from diffusion_lightning.hashing import file_sha256
from diffusion_lightning.zoo.cards import FOLDER, names, read_card


def found(name: str) -> Path:
    """The weights of a model of the zoo.

    Raises:
        UserError: if there is no such model, or its file is not the one that its card describes.
    """
    if name not in names():
        known = ", ".join(f"zoo:{known}" for known in names())
        raise UserError(
            f"there is no model zoo:{name}; there are {known} (python -m diffusion_lightning.zoo says more)."
        )
    file = FOLDER / f"{name}.safetensors"
    if not file.is_file() or file_sha256(file) != read_card(name).sha256:
        raise UserError(
            f"zoo:{name} is damaged: {file} is missing, or another file than its card describes; install "
            "diffusion-lightning again."
        )
    return file
