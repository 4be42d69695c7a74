"""Noise that belongs to an image: image k is the same for any batch size and number of processes."""

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

Noise = Callable[[], Tensor]
"""Each call returns a new draw of standard normal noise (B, *)."""

CACHED = 2**16
"""Numbers that are made normal at a time; more would not stay in a core's cache between the steps of that."""


def derive_seed(*parts: int) -> int:
    """A 64-bit seed that is a pure function of the integers given, such as (seed, epoch, batch, rank)."""
    return int(_seeds(*parts).generate_state(1, np.uint64)[0])


def _seeds(*parts: int) -> np.random.SeedSequence:
    # The number of parts and equally long words keep (5,) and (5, 0), or (2³², 0) and (0, 1), apart.
    words = [word for part in parts for word in (part & 0xFFFFFFFF, part >> 32)]
    return np.random.SeedSequence([len(parts), *words])


def seed_generators(seed: int, device: torch.device) -> None:
    """Seed torch's generators of the CPU and of this device, and no others.

    `torch.manual_seed` seeds the generators of every kind of device. For each kind that is not in use it
    records the call stack, which is deep inside a trainer, and that takes time at every step.
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


class ImageNoise:
    """Standard normal noise keyed by (seed, image index, draw).

    Each image has its own stream of random bits, keyed by seed and index. Draw 0 starts the walk, and every
    stochastic step takes the next draw. The streams are generated on the CPU, so that the noise is bit-equal
    on every device.

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
        streams = [np.random.SFC64(_seeds(seed, i)) for i in indices]
        self._shape = tuple(shape)
        together = max(1, CACHED // math.prod(shape))
        self._together = [streams[i : i + together] for i in range(0, len(streams), together)]
        self._device = torch.device(device)

    def __call__(self) -> Tensor:
        """The next draw of every image, float32 (B, C, H, W)."""
        noise = torch.cat([self._drawn(streams) for streams in self._together])
        if self._device.type == "cuda":
            noise = noise.pin_memory()  # from other memory the CPU would wait until it is copied
        return noise.to(self._device, non_blocking=True)

    def _drawn(self, streams: Sequence[np.random.SFC64]) -> Tensor:
        pixels = math.prod(self._shape)
        bits = np.concatenate([stream.random_raw(-(-pixels // 2)) for stream in streams])
        noise = box_muller(torch.from_numpy(bits.view(np.int32)).view(len(streams), -1))
        return noise[:, :pixels].reshape(-1, *self._shape)


def box_muller(bits: Tensor) -> Tensor:
    """Standard normal numbers (B, 2n), float32, from random int32 of the same shape.

    Two uniform numbers give two normal ones: z = √(-2 log u) (cos 2πv, sin 2πv). Computed for all images at
    once, it takes half the time of a ziggurat per image. Equal bits give equal numbers in any batch.

    Source: Box & Muller 1958.
    """
    z = bits.float().mul_(2**-31)
    u, v = z.chunk(2, dim=1)  # in [-1, 1], so |u| is uniform, and exact near 0
    radius = u.abs().clamp_(min=2**-32).log_().mul_(-2).sqrt_()
    angle = math.pi * v
    torch.mul(radius, angle.cos(), out=u)
    torch.mul(radius, angle.sin_(), out=v)
    return z
