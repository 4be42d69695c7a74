"""Statistics of the data, computed once and cached on disk."""

import logging
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from diffusion_lightning.data.base import SampleData
from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.distributed import rank, shard, true_anywhere, world_size
from diffusion_lightning.evaluation.cache import cache_folder
from diffusion_lightning.evaluation.extractors.extract import extractor_sha256
from diffusion_lightning.evaluation.statistics import ImageStatistics
from diffusion_lightning.progress import progress

log = logging.getLogger(__name__)

BLOCK = 512
"""Images that a process reads at a time."""

KEPT_FEATURES = 10_000
"""Images whose features are kept, for KID, precision and recall."""


def reference_order(num_images: int) -> Tensor:
    """The order in which a split is read: shuffled, so that the first images are of all classes."""
    return torch.randperm(num_images, generator=torch.Generator().manual_seed(0))


def reference_statistics(images: ImageSet, name: str, extractor: nn.Module) -> ImageStatistics:
    """Statistics of all images of a split, unaugmented; each process computes its shard.

    They are cached as `<name>-<images' key>-<extractor's hash>.safetensors`: other images or another
    extractor make another file, so a cached file is never stale.
    """
    hashes = f"{images.key()[:16]}-{extractor_sha256(extractor)[:16]}"
    file = cache_folder() / "statistics" / f"{name}-{hashes}.safetensors"
    known = _read(file)
    if not true_anywhere(known is None):
        assert known is not None
        return known
    statistics = ImageStatistics(KEPT_FEATURES)
    order, size = reference_order(len(images)).tolist(), BLOCK * world_size()
    images.decode()  # before the bar, as it has one of its own
    with progress(len(order), f"{name} statistics", "image", shown=rank() == 0) as bar:
        for start in range(0, len(order), size):
            block = order[start : start + size]
            pixels, labels = images[torch.tensor(shard(block))]
            statistics.add(extractor, pixels, labels, len(block))
            bar.update(len(block))
    if rank() == 0:
        statistics.save(file)
        log.info("statistics of %d images: %s", statistics.n, file)
    return statistics


def split_statistics(data: SampleData, extractor: nn.Module) -> tuple[ImageStatistics, ImageStatistics]:
    """Statistics of the training images and of the test images of a data set, after its `setup` or `find`."""
    name = type(data).__name__
    return (
        reference_statistics(data.train_images, f"{name}-train", extractor),
        reference_statistics(data.test_images, f"{name}-test", extractor),
    )


def _read(file: Path) -> ImageStatistics | None:
    """The statistics in a cached file; a damaged file counts as missing, and is written again."""
    try:
        return ImageStatistics.load(file)
    except (OSError, SafetensorError, KeyError):
        return None
