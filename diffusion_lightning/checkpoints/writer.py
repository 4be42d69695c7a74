"""Checkpoints that are written whole or not at all."""

from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO

from diffusion_lightning.checkpoints.format import LAST, resumes_exactly
from diffusion_lightning.errors import UserError
from diffusion_lightning.files import atomic_write


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes beside the old file, waits for the disk, and puts the new file in its place in one step.

    A kill or a full disk while writing costs nothing: the name belongs to the old file until the new one is
    complete. (Lightning's own writer overwrites it where the temporary folder is on another disk.)

    Raises:
        UserError: if the file cannot be written; the message says which one and why. If it would replace the
            last checkpoint by one from which a run does not resume exactly.
    """

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write the checkpoint to the path."""
        path = Path(path)
        if path.name == LAST and not resumes_exactly(checkpoint):
            raise UserError(
                f"{path} is what the run resumes from, and a callback besides callbacks.last would replace "
                "it while a batch is worked on; give that callback's file another name."
            )
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            with atomic_write(path, "wb") as file:
                torch.save(checkpoint, file)
        # PyTorch's writer wraps the disk's error in one of its own
        except (OSError, RuntimeError) as error:
            raise UserError(
                f"{path} could not be written ({_reason(error)}); earlier checkpoints are unchanged: "
                "make room, then resume with resume=true."
            ) from error


def _reason(error: BaseException) -> str:
    """What the operating system said."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.strerror:
            return seen.strerror
        seen = seen.__cause__ or seen.__context__
    return str(error).splitlines()[0]
