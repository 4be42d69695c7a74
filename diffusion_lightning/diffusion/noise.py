"""Noise that belongs to an image: image k is the same for any batch size and number of processes."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Noise = Callable[[], Tensor]
"""Called for each draw, gives standard normal noise (B, C, H, W)."""


def derive_seed(*parts: int) -> int:
    """A 64-bit seed that is a pure function of the integers given, such as (seed, epoch, batch, rank)."""
    return int(_seeds(*parts).generate_state(1, np.uint64)[0])


def _seeds(*parts: int) -> np.random.SeedSequence:
    # The number of parts and equally long words keep (5,) and (5, 0), or (2³², 0) and (0, 1), apart.
    words = [word for part in parts for word in (part & 0xFFFFFFFF, part >> 32)]
    return np.random.SeedSequence([len(parts), *words])


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed torch's generators of the CPU and of this device.

    `torch.manual_seed` seeds those of all kinds of devices, and for each that was not used yet it writes down
    the stack of calls, which below a trainer is deep.
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


class ImageNoise:
    """Standard normal noise keyed by (seed, image index, draw).

    Each image owns a stream of random bits, keyed by seed and index, from which its draws come in order:
    draw 0 starts the walk, and every stochastic step takes the next. The streams are made on the CPU, so
    that the noise is bit-equal on every device.

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
        self._streams = [np.random.SFC64(_seeds(seed, i)) for i in indices]
        self._shape = tuple(shape)
        self._device = device

    def __call__(self) -> Tensor:
        """The next draw of every image, float32 (B, C, H, W)."""
        pixels = math.prod(self._shape)
        bits = np.stack([stream.random_raw(-(-pixels // 2)) for stream in self._streams])
        noise = box_muller(torch.from_numpy(bits.view(np.int32)))[:, :pixels]
        return noise.reshape(-1, *self._shape).to(self._device, non_blocking=True)


def box_muller(bits: Tensor) -> Tensor:
    """As many standard normal numbers, float32 (B, 2 n), as there are random int32.

    From two uniform numbers, z = √(-2 log u) (cos 2πv, sin 2πv). All images at once, this takes half of the
    time of one ziggurat after the other, and equal bits give equal numbers in any batch.

    Source: Box & Muller 1958.
    """
    u, v = (bits.float() / 2**31).chunk(2, dim=1)  # in [-1, 1], so |u| is uniform, and exact near 0
    radius = u.abs().clamp(min=2**-32).log().mul(-2).sqrt()
    angle = math.pi * v
    return torch.cat([radius * angle.cos(), radius * angle.sin()], dim=1)
