"""What the machine can do: matrix products and convolutions, the largest of which is the roof."""

from collections.abc import Callable, Iterator
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.settings import Row, Settings
from benchmarks.timing import Stopwatch, dtype_name

MATRICES = 1024, 2048, 4096

CONVOLUTIONS = (32, 28, 64), (128, 32, 16), (256, 16, 16)
"""Channels in and out, side, images: as in the networks."""

LAYOUTS = {"NCHW": torch.contiguous_format, "channels_last": torch.channels_last}


def run(case: str, program: str, settings: Settings) -> list[Row]:
    """All of them in one type, which is the case."""
    dtype = getattr(torch, case)
    calls = [*matrix_products(dtype, settings.device), *convolutions(dtype, settings.device)]
    return [_row(name, call, flop, settings, dtype) for name, call, flop in calls]


Call = tuple[str, Callable[[], object], int]
"""Name, what is timed, and its floating-point operations."""


def matrix_products(dtype: torch.dtype, device: str) -> Iterator[Call]:
    """Square ones."""
    for n in MATRICES:
        a, b = torch.randn(2, n, n, device=device, dtype=dtype)
        yield f"matmul {n}²", lambda a=a, b=b: a @ b, 2 * n**3  # type: ignore[misc]


def convolutions(dtype: torch.dtype, device: str) -> Iterator[Call]:
    """3×3 ones in both layouts, forward alone and with the gradients of images and weights."""
    for (channels, side, n), layout in product(CONVOLUTIONS, LAYOUTS):
        x = torch.randn(n, channels, side, side, device=device, dtype=dtype)
        w = torch.randn(channels, channels, 3, 3, device=device, dtype=dtype)
        x, w = (tensor.to(memory_format=LAYOUTS[layout]).requires_grad_() for tensor in (x, w))
        name, flop = f"3×3 {channels}→{channels}, {n}×{side}², {layout}", 18 * n * channels**2 * side**2
        yield f"{name}, forward", lambda x=x, w=w: _forward(x, w), flop  # type: ignore[misc]
        yield f"{name}, forward + backward", lambda x=x, w=w: _backward(x, w), 3 * flop  # type: ignore[misc]


@torch.no_grad()
def _forward(x: Tensor, w: Tensor) -> Tensor:
    return F.conv2d(x, w, padding=1)


def _backward(x: Tensor, w: Tensor) -> tuple[Tensor, ...]:
    output = F.conv2d(x, w, padding=1)
    return torch.autograd.grad(output, (x, w), torch.ones_like(output))


def _row(name: str, call: Callable[[], object], flop: int, settings: Settings, dtype: torch.dtype) -> Row:
    watch = Stopwatch(settings, budget=0.5)
    while watch.lap():
        call()
    return {"program": name, "seconds": watch.seconds, "flop": flop, "dtype": dtype_name(dtype)}
