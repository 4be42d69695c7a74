"""Whether a walk stays finite, found out without making the device wait at every step."""

import math
from collections import deque
from collections.abc import Sequence

import torch
from torch import Tensor

from diffusion_lightning.errors import NotFinite

LARGEST = 1e6
"""Samples are of the order of 1. Beyond this a walk has diverged, though its numbers may still be finite."""

TOGETHER = 50
"""Evaluations that are checked together on a GPU, where reading a number waits for all work before it."""


class FiniteWatch:
    """Remembers the largest value of everything it is shown; `check` reads what it remembers.

    Infinity has to be seen before a clamp, which would make an image of it.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, str, Tensor, Tensor]] = deque(maxlen=10_000)

    def see(self, t: float, **tensors: Tensor) -> None:
        """Remember the smallest and the largest values of named tensors at time t; NaN is both."""
        seen = ((t, name, x.detach()) for name, x in tensors.items())
        self._seen.extend((t, name, *x.aminmax()) for t, name, x in seen)

    def check(self, walk: object, times: Sequence[float], last: bool = False) -> None:
        """Refuse a walk that has diverged: at once on the CPU, on a GPU from time to time.

        Args:
            walk: what walks, for the message.
            times: of its steps, in their order.
            last: whether to check in any case, as the walk ends.

        Raises:
            NotFinite: with the first step at which something was not finite or larger than 1e6, its time,
                and what it was.
        """
        on_cpu = bool(self._seen) and self._seen[0][2].device.type == "cpu"
        if not self._seen or not (last or on_cpu or len(self._seen) >= 2 * TOGETHER):
            return
        seen = list(self._seen)
        self._seen.clear()
        ends = torch.stack([end for *_, low, high in seen for end in (low, high)]).tolist()
        largest = [max(-low, high) for low, high in zip(ends[::2], ends[1::2], strict=True)]
        # NaN is not below it either
        first = next((i for i, value in enumerate(largest) if not value < LARGEST), None)
        if first is None:
            return
        t, name, *_ = seen[first]
        step = min(range(len(times)), key=lambda i: abs(times[i] - t))
        state = "has diverged" if math.isfinite(largest[first]) else "is not finite any more"
        raise NotFinite(
            f"{walk}, step {step + 1} of {len(times)}, t = {t:.4g}: {name} {state} (it holds "
            f"{largest[first]:g}). Try a guidance scale nearer to 1, a clamp, or a network that computes in "
            "float32."
        )
