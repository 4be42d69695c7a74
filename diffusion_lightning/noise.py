"""Noise that belongs to an image: image k is the same for any batch size and number of processes."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Noise = Callable[[], Tensor]
"""Called for each draw, gives standard normal noise (B, C, H, W)."""


def key(*parts: int) -> int:
    """A 64-bit seed that is a pure function of the integers given, such as (seed, epoch, batch, rank)."""
    # The number of parts and equally long words keep (5,) and (5, 0), or (2³², 0) and (0, 1), apart.
    words = [word for part in parts for word in (part & 0xFFFFFFFF, part >> 32)]
    return int(np.random.SeedSequence([len(parts), *words]).generate_state(1, np.uint64)[0])


class ImageNoise:
    """Standard normal noise keyed by (seed, image index, draw).

    Each image owns a counter-based stream (Philox, keyed by seed and index) from which its draws
    come in order: draw 0 starts the walk, and every stochastic step takes the next. The streams are
    made on the CPU, so that the noise is bit-equal on every device.

    Args:
        seed: at least 0.
        indices: the B images' numbers, each at least 0.
        shape: (C, H, W).
        device: where the noise is wanted.
    """

    def __init__(
        self,
        seed: int,
        indices: Sequence[int],
        shape: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> None:
        self._streams = [np.random.Generator(np.random.Philox(key=[seed, i])) for i in indices]
        self._shape = tuple(shape)
        self._device = device

    def __call__(self) -> Tensor:
        """The next draw of every image, float32 (B, C, H, W)."""
        noise = np.empty((len(self._streams), *self._shape), dtype=np.float32)
        for image, stream in zip(noise, self._streams, strict=True):
            stream.standard_normal(out=image, dtype=np.float32)
        return torch.from_numpy(noise).to(self._device)
