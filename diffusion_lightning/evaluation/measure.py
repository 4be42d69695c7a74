"""Measures a set of images beside the data that they should be like."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from diffusion_lightning.data.base import ImageData
from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.distributed import rank
from diffusion_lightning.evaluation.comparison import Comparison, Metric
from diffusion_lightning.evaluation.reference import KEPT_FEATURES, reference_order, split_statistics
from diffusion_lightning.evaluation.statistics import ImageStatistics

SHOWN = 1000
"""Images whose pixels are kept, for pictures and for the search of neighbours."""

Part = tuple[Tensor, Tensor, int]
"""uint8 images (B, C, H, W) and labels (B,) of this process, and how many they are with all processes'."""


@dataclass(frozen=True)
class Images:
    """A set of images as the metrics see it: statistics, and the pixels uint8 (M, C, H, W) of the first."""

    statistics: ImageStatistics
    pixels: Tensor


@dataclass(frozen=True)
class Data:
    """The two splits of a data set, and their statistics."""

    train_images: ImageSet
    test_images: ImageSet
    train: ImageStatistics
    test: ImageStatistics

    def floor(self, num_images: int | None = None) -> Images:
        """Test images, as good as images can be: all of them, or so many, up to those kept."""
        n = num_images or len(self.test_images)
        first = reference_order(len(self.test_images))[:n]
        pixels = self.test_images[first[:SHOWN]][0]
        if n == len(self.test_images):
            return Images(self.test, pixels)
        few = ImageStatistics(n)
        few.update(
            self.test_images[first][0], self.test.labels[:n], self.test.features[:n], self.test.logits[:n]
        )
        return Images(few, pixels)


def load_data(module: ImageData, extractor: nn.Module) -> Data:
    """Read both splits; their statistics come from the cache, or go into it."""
    module.setup()
    return Data(module.train_images, module.test_images, *split_statistics(module, extractor))


def collect_statistics(parts: Iterable[Part], total: int, extractor: nn.Module) -> Images:
    """Run `total` images through the extractor as they come, with a progress bar."""
    statistics = ImageStatistics(total)
    shown = []
    with tqdm(total=total, desc="images", unit="image", disable=rank() > 0) as bar:
        for pixels, labels, count in parts:
            room = max(0, SHOWN - statistics.n)
            shown.append(statistics.add(extractor, pixels, labels, count)[:room].clone())
            bar.update(count)
    return Images(statistics, torch.cat(shown))


def measure(metrics: Mapping[str, Metric], images: Images, data: Data, **of_samples: Any) -> dict[str, float]:
    """The images' figures; `of_samples` are what a `Comparison` knows of drawn images alone."""
    compared = Comparison(images.statistics, images.pixels, **vars(data), **of_samples)
    values: dict[str, float] = {}
    for metric in metrics.values():
        values |= metric(compared)
    return values


def floors(metrics: Mapping[str, Metric], data: Data, num_images: int) -> dict[str, dict[str, float]]:
    """The figures of the test images, of all of them and of as many as there are images to be measured."""
    figures = {"floor": measure(metrics, data.floor(), data)}
    if num_images < min(len(data.test_images), KEPT_FEATURES):
        figures["floor_same_n"] = measure(metrics, data.floor(num_images), data)
    return figures
