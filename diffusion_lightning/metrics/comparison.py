"""What a metric of images is handed, and what it gives."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.metrics.image_statistics import ImageStatistics


@dataclass(frozen=True)
class Comparison:
    """A set of images beside the data.

    Args:
        samples: the images.
        pixels: the first of them, uint8 (M, C, H, W).
        train, test: the data's splits.
        train_images: the training images themselves.
        pictures: a folder for pictures; None for none.
    """

    samples: ImageStatistics
    pixels: Tensor
    train: ImageStatistics
    test: ImageStatistics
    train_images: ImageSet
    pictures: Path | None = None


class Metric(ABC):
    """Measures images by one idea; a plain config object."""

    @abstractmethod
    def __call__(self, compared: Comparison) -> dict[str, float]:
        """Name → value; nothing where the images do not allow it."""
