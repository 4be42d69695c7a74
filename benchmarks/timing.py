"""The one clock of all programs, and the FLOP of what is timed."""

import sys
import time
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.settings import Row, Settings


class Stopwatch:
    """Times steps: `while watch.lap(): step()`.

    The first steps warm up: on a CPU, too, a process reaches its speed only after some. On a GPU several
    steps are timed together: to wait for each of them would hide that the CPU runs ahead.

    Args:
        settings: device, and whether a few steps will do.
        per: evaluations in a step, or whatever else the seconds are to be of.
        budget: seconds that are timed at least.
    """

    def __init__(self, settings: Settings, per: int = 1, budget: float = 4.0) -> None:
        self.cuda = settings.device == "cuda"
        self.per = per
        self.block = 10 if self.cuda else 1
        self.warm_steps = 2 if settings.quick else 20 if self.cuda else 10
        self.budget = 0.0 if settings.quick else budget
        self.least = 2 if settings.quick else 3
        self.seconds: list[float] = []
        self._steps = 0
        self._start = self._warming = 0.0

    def lap(self) -> bool:
        """Whether one more step is wanted; called before each, and after the last."""
        done = self._steps - self.warm_steps
        self._steps += 1
        if done >= 0 and done % self.block == 0:
            self._note(warm=done == 0)
        elif self._steps == 1:
            self._start = self._now()
        return len(self.seconds) < self.least or self.spent < self.budget

    @property
    def spent(self) -> float:
        """Seconds that were timed."""
        return sum(self.seconds) * self.per * self.block

    def row(self, images: int, **more: Any) -> Row:
        """What was measured of steps of so many images.

        `warmup` is by how many seconds the first steps were slower than later ones.
        """
        usual = median(self.seconds) * self.per * self.warm_steps
        return {
            "seconds": self.seconds,
            "warmup": max(0.0, self._warming - usual),
            "images": images,
            "memory": peak_memory(self.cuda),
            **more,
        }

    def _note(self, warm: bool) -> None:
        now = self._now()
        if warm:
            self._warming = now - self._start
            if self.cuda:
                torch.cuda.reset_peak_memory_stats()
        else:
            self.seconds.append((now - self._start) / (self.per * self.block))
        self._start = self._now()

    def _now(self) -> float:
        if self.cuda:
            torch.cuda.synchronize()
        return time.perf_counter()


def peak_memory(cuda: bool) -> int:
    """Bytes: the peak of the process, or of its tensors on the GPU; 0 where no system call tells."""
    if cuda:
        return torch.cuda.max_memory_allocated()
    try:
        import resource
    except ImportError:  # on Windows
        return 0
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def dtype_name(dtype: torch.dtype) -> str:
    """float32, bfloat16, …"""
    return str(dtype).removeprefix("torch.")


def flop(
    build: Callable[[], Any],
    evaluate: Callable[[Any, Tensor, Tensor], Tensor],
    shape: Sequence[int],
    train: bool,
) -> int:
    """Floating-point operations of a network's forward, and backward, for images of a shape (B, C, H, W).

    They are those of matrix products and convolutions, counted without computing anything; what is computed
    twice to save memory counts once.

    Args:
        build: makes the network.
        evaluate: (network, images (B, C, H, W), times (B,)) → output (B, C, H, W).
        shape: (B, C, H, W).
        train: with backward.
    """
    with torch.device("meta"):
        network, x, time = build(), torch.empty(tuple(shape)), torch.zeros(shape[0])
        with FlopCounterMode(display=False) as counter, torch.set_grad_enabled(train):
            output = evaluate(network, x, time)
            if train:
                output.sum().backward()
    return counter.get_total_flops()
