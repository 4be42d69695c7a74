"""What every format of an export shares."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.images import height_and_width


@dataclass(frozen=True)
class Exported:
    """A trained model as it is to be written.

    Args:
        denoiser: in evaluation mode, on the CPU.
        sampling: how it draws, with the guidance that it was trained with unless another is asked for.
        label: the one label that it draws, K for the null label; None if the label stays an input.
        class_names: one name per class, or None.
        checkpoint: what it was read from, as `checkpoints/reader.py` gives it.
    """

    denoiser: Denoiser
    sampling: Sampling
    label: int | None
    class_names: Sequence[str] | None
    checkpoint: Mapping[str, Any]

    @property
    def config(self) -> dict[str, Any]:
        """The config of the run that trained it, as plain containers."""
        return dict(self.checkpoint["hyper_parameters"])

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        data = self.config["dataset"]
        return data["image_channels"], *height_and_width(data["image_size"])


class Format(ABC):
    """A way out of this project: a new one writes `__call__`, and its constructor checks its own options."""

    unread: ClassVar[Mapping[str, str]] = {}
    """Options of `export` that would change nothing, and those that the format goes by instead."""

    @abstractmethod
    def __call__(self, exported: Exported, out: Path) -> str:
        """Write files into the empty folder `out`, and return how they are used, in one line.

        Raises:
            UserError: before anything is written, if the format cannot express the model; it says what.
        """
