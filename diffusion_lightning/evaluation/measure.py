"""Measures a set of images against the data that they should resemble."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from diffusion_lightning.data.base import SampleData
from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.distributed import rank, world_size
from diffusion_lightning.evaluation.comparison import Comparison, Metric
from diffusion_lightning.evaluation.doubt import judge
from diffusion_lightning.evaluation.reference import reference_order, split_statistics
from diffusion_lightning.evaluation.statistics import ImageStatistics
from diffusion_lightning.progress import progress

KEPT_PIXELS = 1000
"""Images whose pixels are kept, for grids and for the search of nearest neighbours."""


TOGETHER = 512
"""Images per process whose features are computed at a time: eight of the extractor's batches."""


class ImageBlock(NamedTuple):
    """This process's shard of a block of images."""

    pixels: Tensor
    """As they are stored: uint8 (B, C, H, W), or float32 (B, D) of points."""
    labels: Tensor
    """(B,)."""
    total: int
    """Images in the whole block, over all processes."""


def regrouped(blocks: Iterable[ImageBlock], size: int = TOGETHER) -> Iterator[ImageBlock]:
    """The same images in the same order, in blocks of `size` per process; the last one is smaller.

    An extractor computes whole batches (`extract`): blocks as they are drawn would fill many up with black.
    """
    waiting: ImageBlock | None = None
    for block in blocks:
        waiting = block if waiting is None else _joined(waiting, block)
        while len(waiting.pixels) >= size:
            total = min(size * world_size(), waiting.total)
            yield ImageBlock(waiting.pixels[:size], waiting.labels[:size], total)
            waiting = ImageBlock(waiting.pixels[size:], waiting.labels[size:], waiting.total - total)
    if waiting is not None and waiting.total:
        yield waiting


def _joined(a: ImageBlock, b: ImageBlock) -> ImageBlock:
    return ImageBlock(torch.cat([a.pixels, b.pixels]), torch.cat([a.labels, b.labels]), a.total + b.total)


@dataclass(frozen=True)
class MeasuredImages:
    """A set of images as the metrics see it: statistics, and the pixels of the first, uint8 (M, C, H, W)."""

    statistics: ImageStatistics
    pixels: Tensor


@dataclass(frozen=True)
class ReferenceData:
    """The two splits of a data set, and their statistics."""

    train_images: ImageSet
    test_images: ImageSet
    train: ImageStatistics
    test: ImageStatistics

    def test_set_floor(self, num_images: int | None = None) -> MeasuredImages:
        """The test images, which no model can better: all of them, or the first of the reference order.

        Args:
            num_images: at most as many as have kept features; None is all.
        """
        n = num_images or len(self.test_images)
        first = reference_order(len(self.test_images))[:n]
        pixels = self.test_images[first[:KEPT_PIXELS]][0]
        if n == len(self.test_images):
            return MeasuredImages(self.test, pixels)
        few = ImageStatistics(n)
        few.update(
            self.test_images[first][0], self.test.labels[:n], self.test.features[:n], self.test.logits[:n]
        )
        return MeasuredImages(few, pixels)


def load_reference(data: SampleData, extractor: nn.Module) -> ReferenceData:
    """Find both splits of the data; their statistics come from the cache, or are added to it."""
    data.find()
    return ReferenceData(data.train_images, data.test_images, *split_statistics(data, extractor))


def collect_statistics(blocks: Iterable[ImageBlock], total: int, extractor: nn.Module) -> MeasuredImages:
    """Run `total` images through the extractor block by block, with a progress bar."""
    statistics = ImageStatistics(total)
    kept = []
    with progress(total, "images", "image", shown=rank() == 0) as bar:
        for pixels, labels, count in regrouped(counted(blocks, bar)):
            room = max(0, KEPT_PIXELS - statistics.n)
            kept.append(statistics.add(extractor, pixels, labels, count)[:room].clone())
    return MeasuredImages(statistics, torch.cat(kept))


def counted(blocks: Iterable[ImageBlock], bar: Any) -> Iterator[ImageBlock]:
    """The blocks, while a progress bar counts their images."""
    for block in blocks:
        bar.update(block.total)
        yield block


class Figures(NamedTuple):
    """What metrics say of a set of images."""

    values: dict[str, float | None]
    """Name → finite value; None is null."""
    reasons: dict[str, str]
    """Name → why a figure is null, or means less than it seems; a metric's name if it has no figure."""


def measure(
    metrics: Mapping[str, Metric], images: MeasuredImages, reference: ReferenceData, **of_samples: Any
) -> Figures:
    """The images' figures; `of_samples` are the arguments of a `Comparison` that only samples have."""
    compared = Comparison(images.statistics, images.pixels, **vars(reference), **of_samples)
    measured = Figures({}, {})
    for metric_name, metric in metrics.items():
        found = metric(compared)
        if not found:
            measured.reasons[metric_name] = "it does not apply to these images"
        for name, figure in found.items():
            judged = judge(figure)
            measured.values[name] = judged.value
            if judged.reason:
                measured.reasons[name] = judged.reason
    return measured
