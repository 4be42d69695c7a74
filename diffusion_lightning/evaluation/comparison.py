"""What a metric of images is handed, and what it gives."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.evaluation.statistics import ImageStatistics


@dataclass(frozen=True)
class Comparison:
    """A set of images beside the data.

    Args:
        samples: the images.
        pixels: the first of them, uint8 (M, C, H, W).
        train_images, test_images: the data's splits.
        train, test: their statistics.
        likelihood: bits per dimension of (pixels, labels) under the model that drew the images, such as
            `DiffusionModel.likelihood`; None if no model drew them.
        pictures: a folder for pictures; None for none.
    """

    samples: ImageStatistics
    pixels: Tensor
    train_images: ImageSet
    test_images: ImageSet
    train: ImageStatistics
    test: ImageStatistics
    likelihood: Callable[..., Any] | None = None
    pictures: Path | None = None


class Metric(ABC):
    """Measures images by one idea; a plain config object."""

    @abstractmethod
    def __call__(self, compared: Comparison) -> dict[str, float]:
        """Name → value; nothing where the images do not allow it."""
