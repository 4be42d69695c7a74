"""What a metric gets, and what it returns."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from torch import Tensor

from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.evaluation.doubt import Figure
from diffusion_lightning.evaluation.statistics import ImageStatistics


@dataclass(frozen=True)
class Comparison:
    """A set of images, and the data that they are compared with.

    Args:
        samples: statistics of the images.
        pixels: the first of the images, uint8 (M, C, H, W).
        train_images: the data's training images.
        test_images: the data's test images.
        train: statistics of the training images.
        test: statistics of the test images.
        likelihood: bits per dimension of (pixels, labels) under the model that drew the images, such as
            `DiffusionModel.likelihood`; None if no model drew them.
        pictures: the folder in which a metric may save images; None for none.
        title: whose images are compared with which data, for the titles of pictures; empty for bare pictures.
    """

    samples: ImageStatistics
    pixels: Tensor
    train_images: ImageSet
    test_images: ImageSet
    train: ImageStatistics
    test: ImageStatistics
    likelihood: Callable[..., Any] | None = None
    pictures: Path | None = None
    title: str = ""


class Metric(ABC):
    """A way to measure images; a plain config object."""

    needs_model: ClassVar[bool] = False
    """Whether it measures the model that drew the images."""

    @abstractmethod
    def __call__(self, compared: Comparison) -> Mapping[str, Figure]:
        """Name → value, or `Doubtful` with the reason; empty if it does not apply to these images."""
