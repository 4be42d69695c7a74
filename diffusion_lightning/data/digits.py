"""scikit-learn's digits."""

import functools

import numpy as np
import torch
from torch import Tensor

from diffusion_lightning.compat import digits_file
from diffusion_lightning.data.base import ImageData, TensorImages

NUM_TRAIN = 1500


class Digits(ImageData):
    """1,797 handwritten 8x8 digits (Alpaydin & Kaynak 1998), part of scikit-learn.

    There is no official split: the first 1,500 are for training, the other 297 for testing.
    """

    def load(self, train: bool) -> TensorImages:
        """Pixels 0 … 16 stretched to 0 … 255."""
        images, labels = _digits()
        part = slice(None, NUM_TRAIN) if train else slice(NUM_TRAIN, None)
        return TensorImages(images[part], labels[part])


@functools.cache
def _digits() -> tuple[Tensor, Tensor]:
    """uint8 (1797, 1, 8, 8), and labels (1797,)."""
    table = torch.from_numpy(np.loadtxt(digits_file(), delimiter=","))
    pixels, labels = table[:, :-1], table[:, -1]
    return (pixels * 255 / 16).round().to(torch.uint8).view(-1, 1, 8, 8), labels.long()
