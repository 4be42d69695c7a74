"""Small sets of images and features, for the tests of metrics."""

import torch
from torch import nn

from diffusion_lightning.data.base import TensorImages
from diffusion_lightning.evaluation.comparison import Comparison
from diffusion_lightning.evaluation.statistics import ImageStatistics


class Pixels(nn.Module):
    """The simplest extractor: the features are the pixels, as 8-bit integers."""

    def forward(self, pixels):
        return pixels.flatten(1)


def random_pixels(n, shape=(1, 4, 4), seed=0, low=0, high=256):
    rng = torch.Generator().manual_seed(seed)
    return torch.randint(low, high, (n, *shape), generator=rng, dtype=torch.uint8)


def statistics_of(features, logits=None, labels=None, pixels=None, keep=10_000):
    """Statistics of features (N, D)."""
    n = len(features)
    statistics = ImageStatistics(keep)
    statistics.update(
        torch.zeros(n, 1, 1, 1, dtype=torch.uint8) if pixels is None else pixels,
        torch.zeros(n, dtype=torch.long) if labels is None else labels,
        features,
        torch.empty(n, 0) if logits is None else logits,
    )
    return statistics


def comparison(samples, train, pixels=None, train_pixels=None, pictures=None):
    train_pixels = random_pixels(1) if train_pixels is None else train_pixels
    images = TensorImages(train_pixels, torch.zeros(len(train_pixels)))
    return Comparison(samples, pixels, images, images, train, train, pictures=pictures)
