"""What every format of an export shares."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.errors import UserError
from diffusion_lightning.samples import is_image, sample_shape


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
        """(C, H, W) of an image.

        Raises:
            UserError: if the model draws points.
        """
        shape = sample_shape(self.config["dataset"])
        if not is_image(shape):
            raise UserError("this model draws points; what is exported are models of images.")
        channels, height, width = shape
        return channels, height, width


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
