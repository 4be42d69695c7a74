"""Where the time of a step goes, beside the network's convolutions and products timed alone."""

from collections import Counter, defaultdict
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import Tensor
from torch.autograd.profiler_util import FunctionEvent
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map_only

from benchmarks import ours
from benchmarks.parts import ONLY, WHOLE
from benchmarks.sampling import walk
from benchmarks.settings import EVALUATIONS, Row, Settings
from benchmarks.timing import Stopwatch
from benchmarks.training import plain_step
from diffusion_lightning.config.build import build_denoiser

KINDS = {
    "convolutions": ("aten::convolution", "aten::convolution_backward"),
    "attention": (
        "aten::scaled_dot_product_attention",
        "aten::_scaled_dot_product_flash_attention_for_cpu_backward",
        "aten::_softmax",
        "aten::bmm",
    ),
    "products": ("aten::mm", "aten::addmm", "aten::linear"),
    "norms": ("aten::native_group_norm", "aten::native_group_norm_backward"),
    "activations": ("aten::silu", "aten::silu_backward"),
    "dropout": ("aten::random_", "aten::ge"),
    "casts": ("aten::_to_copy",),
    "concatenation": ("aten::cat",),
    "optimizer": ("aten::_fused_adam_", "aten::_foreach_lerp_", "aten::_foreach_norm", "aten::_foreach_mul_"),
    "noise": ("aten::randn_like", "aten::normal_", "aten::randint"),
    "copies": ("aten::copy_", "aten::clone", "aten::contiguous", "aten::fill_"),
    "sums": ("aten::add", "aten::add_", "aten::sum", "aten::mul", "aten::mul_", "aten::div", "aten::sub"),
}
"""What a row of the table is of, and PyTorch's names of it; what an operation calls is a part of it."""

ALONE = "aten.convolution", "aten.convolution_backward", "aten.mm", "aten.addmm", "aten.bmm"
"""What the network cannot do without."""


def run(case: str, program: str, settings: Settings) -> list[Row]:
    """One case's rows: the step, its kinds of operations, the rest, and what is timed alone."""
    name, kind = case.split()
    step, per = STEPS[kind](name, settings)
    watch = Stopwatch(settings)
    while watch.lap():
        step()
    alone = alone_seconds(step, settings)
    seconds = {WHOLE: watch.seconds, **kinds(step, 1 if settings.quick else 5), ONLY: [alone]}
    return [{"program": label, "seconds": [s / per for s in found]} for label, found in seconds.items()]


Step = Callable[[], object]


def training_step(case: str, settings: Settings) -> tuple[Step, int]:
    """The step of a bare loop, as `python train.py` configures it, uncompiled."""
    cfg = ours.composed(case, settings, "speed.compile=false")
    speed = ours.speed_of(cfg, float("inf"), training=True)
    torch.manual_seed(cfg.seed)
    return plain_step(cfg, speed, build_denoiser(cfg).to(settings.device), settings), 1


def sampling_step(case: str, settings: Settings) -> tuple[Step, int]:
    """A short walk of DDIM, uncompiled, and its evaluations."""
    return walk(ours.composed(case, settings, "speed.compile=false"), settings)[0], EVALUATIONS


STEPS = {"training": training_step, "sampling": sampling_step}


def kinds(step: Step, steps: int) -> dict[str, list[float]]:
    """Seconds of a step by the kind of operation, the largest first; the rest of the step is Python's."""
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        for _ in range(steps):
            step()
    seconds: defaultdict[str, float] = defaultdict(float)
    events = [event for event in profiled.events() if event.name.startswith("aten::")]
    for event in events:
        seconds[kind_of(event) or "other operations"] += event.self_cpu_time_total / 1e6 / steps
    return {kind: [spent] for kind, spent in sorted(seconds.items(), key=lambda item: -item[1])}


def kind_of(event: FunctionEvent | None) -> str | None:
    """The kind of the outermost operation that has one, of this one and those that called it."""
    if event is None:
        return None
    own = next((kind for kind, names in KINDS.items() if event.name in names), None)
    return kind_of(event.cpu_parent) or own


class Calls(TorchDispatchMode):
    """Keeps the arguments of what is timed alone, its tensors as shape, strides and type."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()
        self.calls: dict[str, tuple[Any, Any]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if str(func.overloadpacket) in ALONE:
            like = tree_map_only(Tensor, lambda x: x.to("meta"), args)
            key = f"{func} {tree_map_only(Tensor, lambda x: (x.shape, x.stride(), x.dtype), args)}"
            self.counts[key] += 1
            self.calls[key] = func, like
        return func(*args, **(kwargs or {}))


def alone_seconds(step: Step, settings: Settings) -> float:
    """Seconds of all convolutions and products of a step, each timed by itself on random tensors."""
    with Calls() as recorded:
        step()
    return sum(recorded.counts[key] * median(_timed(call, settings)) for key, call in recorded.calls.items())


def _timed(call: tuple[Any, Any], settings: Settings) -> list[float]:
    func, args = call
    tensors = tree_map_only(Tensor, lambda x: torch.randn_like(x, device=settings.device), args)
    watch = Stopwatch(settings, budget=0.05)
    with torch.no_grad():
        while watch.lap():
            func(*tensors)
    return watch.seconds
