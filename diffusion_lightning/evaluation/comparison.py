"""What a metric of images is handed, and what it gives."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.evaluation.statistics import ImageStatistics

if TYPE_CHECKING:
    from diffusion_lightning.sampling.model import Trained


@dataclass(frozen=True)
class Comparison:
    """A set of images beside the data.

    Args:
        samples: the images.
        pixels: the first of them, uint8 (M, C, H, W).
        train_images, test_images: the data's splits.
        train, test: their statistics.
        trained: the model that drew the images; None if they are anybody's, or real.
        pictures: a folder for pictures; None for none.
    """

    samples: ImageStatistics
    pixels: Tensor
    train_images: ImageSet
    test_images: ImageSet
    train: ImageStatistics
    test: ImageStatistics
    trained: "Trained | None" = None
    pictures: Path | None = None


class Metric(ABC):
    """Measures images by one idea; a plain config object."""

    @abstractmethod
    def __call__(self, compared: Comparison) -> dict[str, float]:
        """Name → value; nothing where the images do not allow it."""
