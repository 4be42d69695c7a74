"""A trained model as a folder that diffusers loads."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange.base import Exported, Format


@dataclass(frozen=True)
class DiffusersFormat(Format):
    """A folder for `DDPMPipeline.from_pretrained` and `DDIMPipeline.from_pretrained`."""

    unread: ClassVar[Mapping[str, str]] = {}

    def __call__(self, exported: Exported, out: Path) -> str:
        """Write the folder."""
        raise UserError("format=diffusers is not there yet.")
