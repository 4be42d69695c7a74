"""How the network computes: precision, memory format, compilation. Results change only by rounding."""

import ctypes
import os
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import nn

from diffusion_lightning.compat import cpu_multiplies_bf16
from diffusion_lightning.errors import UserError
from diffusion_lightning.networks.base import Staged

PRECISIONS = "32-true", "bf16-mixed", "16-mixed"
"""Lightning's names of the precision of matrix products; the weights are float32 in all of them."""

COMPILE_AFTER = 10_000
"""Evaluations of a network after which a GPU should have saved the minute or two of a compilation."""

MODES = "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"


def multiplies_bf16(device: str) -> bool:
    """Whether a device of this type has instructions for bfloat16, rather than emulating them."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu":
        return cpu_multiplies_bf16()
    return False


def lacks_to_compile(device: str) -> str | None:
    """What torch.compile lacks for a device of this type, in words; None if nothing.

    On a CPU it writes C++; on a GPU it writes Triton, which needs compute capability 7.0 and launches from C.
    """
    if device == "cuda":
        if torch.cuda.get_device_capability() < (7, 0):
            return "a GPU of compute capability 7.0 or later"
        return _no_compiler("C", "CC", ("gcc", "clang"))
    return _no_compiler("C++", "CXX", ({"win32": "cl", "darwin": "clang++"}.get(sys.platform, "g++"),))


def _no_compiler(language: str, variable: str, usual: Sequence[str]) -> str | None:
    wanted = [os.environ[variable]] if os.environ.get(variable) else usual
    if any(map(shutil.which, wanted)):
        return None
    return f"a {language} compiler ({' or '.join(wanted)}), and none is installed"


@dataclass(frozen=True)
class Speed:
    """What makes a run faster, or smaller. None is what suits the device; docs/speed.md has the figures.

    Args:
        precision: "32-true", "bf16-mixed" or "16-mixed"; None is bf16-mixed on a device with bfloat16
            instructions, which includes CPUs with AVX512-BF16 or AMX, and 32-true elsewhere.
        compile: torch.compile the network, in place, once for all batch sizes: true, false, or a mode of
            torch.compile. "reduce-overhead" records CUDA graphs. None compiles only on a GPU and only for a
            run that is long enough, and records graphs for sampling.
        channels_last: keep images as (B, H, W, C) in memory; a compiler does so itself where it is faster.
        allocator: let the C library keep freed memory, instead of asking the kernel for it again in every
            step; None does so on a CPU.
        gradient_checkpointing: do not keep activations inside a stage of the network, but compute them again
            for the gradient (Chen et al. 2016): less memory, a third more time.

    Raises:
        UserError: if a value is not allowed.
    """

    precision: str | None = None
    compile: bool | str | None = None
    channels_last: bool = False
    allocator: bool | None = None
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.precision is not None and self.precision not in PRECISIONS:
            allowed = ", ".join(PRECISIONS)
            raise UserError(f"precision is {self.precision}; it must be {allowed}, or null.")
        if isinstance(self.compile, str) and self.compile not in MODES:
            raise UserError(
                f"compile is {self.compile}; it must be true, false, null, or {', '.join(MODES)}."
            )

    @property
    def dtype(self) -> torch.dtype:
        """The type in which the network multiplies."""
        return dtype_of(self.precision)

    def chosen(
        self,
        device: str,
        evaluations: float,
        training: bool,
        has_bf16: Callable[[str], bool] = multiplies_bf16,
        lacks: Callable[[str], str | None] = lacks_to_compile,
    ) -> "Speed":
        """The same with every None replaced by what suits a run.

        Args:
            device: type of the device: cpu, cuda or mps.
            evaluations: evaluations of the network in the run.
            training: whether the run trains; otherwise it samples.
            has_bf16: whether a device of this type has instructions for bfloat16.
            lacks: what compiling for a device of this type lacks.
        """
        pays = device == "cuda" and evaluations >= COMPILE_AFTER and not lacks(device)
        compiled = (training or "reduce-overhead") if pays else False
        return replace(
            self,
            precision=self.precision or ("bf16-mixed" if has_bf16(device) else "32-true"),
            compile=compiled if self.compile is None else self.compile,
            allocator=device == "cpu" if self.allocator is None else self.allocator,
        )

    def prepare(self, network: nn.Module) -> None:
        """Change a network in place, before anything else uses it; its state_dict stays as it is."""
        self.lay_out(network)
        self.compile_in_place(network)

    def lay_out(self, network: nn.Module) -> None:
        """Set the network's memory format and gradient checkpointing, before an optimizer gets its weights.

        Raises:
            UserError: if it cannot do gradient checkpointing.
        """
        if self.channels_last:
            network.to(memory_format=torch.channels_last)
        if self.gradient_checkpointing:
            if not isinstance(network, Staged):
                raise UserError(
                    f"{type(network).__name__} has no gradient_checkpointing; leave "
                    "speed.gradient_checkpointing=false."
                )
            network.gradient_checkpointing = True

    def compile_in_place(self, network: nn.Module) -> None:
        """Compile the network in place, if that is chosen; its state_dict stays as it is.

        Raises:
            UserError: if the machine cannot.
        """
        if self.compile:
            if lacking := lacks_to_compile(next(network.parameters()).device.type):
                raise UserError(f"speed.compile needs {lacking}; set speed.compile=false.")
            # dynamic: the last batch of a set, and a grid, have other sizes than the first batch
            network.compile(dynamic=True, mode=self.compile if isinstance(self.compile, str) else None)

    def prepare_process(self) -> None:
        """Apply the settings of the whole process, before it does any work."""
        if self.allocator:
            keep_freed_memory()
        # "32-true" is float32: a GPU would round the factors of its convolutions to TF32, of 10 bits
        torch.backends.cudnn.allow_tf32 = False
        # Otherwise attention on a CPU multiplies in float32, at a third of the speed
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(self.dtype != torch.float32)


def dtype_of(precision: object) -> torch.dtype:
    """The type in which a network multiplies, for any of Lightning's precisions."""
    start = str(precision).partition("-")[0]
    return {"bf16": torch.bfloat16, "16": torch.float16}.get(start, torch.float32)


def device_type(accelerator: str) -> str:
    """The type of device; Lightning's "auto" and "gpu" mean the one that is available."""
    if accelerator not in ("auto", "gpu"):
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def keep_freed_memory() -> None:
    """Let glibc reuse freed memory; by default it maps and unmaps large tensors in every step.

    The kernel zeroes each page of such a mapping at first touch, which may take longer than the computation
    on it. With another C library this does nothing.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mmap_max, trim_threshold = -4, -1  # malloc.h
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)
