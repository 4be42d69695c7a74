"""scikit-learn's digits."""

from functools import cache

import torch
from torch import Tensor

from diffusion_lightning.data.base import ImageData, TensorImages

NUM_TRAIN = 1500


class Digits(ImageData):
    """1,797 handwritten 8x8 digits (Alpaydin & Kaynak 1998), part of scikit-learn.

    There is no official split: the first 1,500 are for training, the other 297 for testing.
    """

    def load(self, train: bool) -> TensorImages:
        """Pixels 0 … 16 stretched to 0 … 255."""
        images, labels = _all()
        part = slice(None, NUM_TRAIN) if train else slice(NUM_TRAIN, None)
        return TensorImages(images[part], labels[part])


@cache
def _all() -> tuple[Tensor, Tensor]:
    """Images and labels of both splits, parsed once: it takes as long as some steps of training."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    images = (torch.from_numpy(digits.images) * 255 / 16).round().to(torch.uint8)[:, None]
    return images, torch.from_numpy(digits.target)
