"""How the network computes: precision, layout, compilation. Results change by no more than rounding."""

import ctypes
import os
import shutil
from dataclasses import dataclass, replace

import torch
from torch import nn

from diffusion_lightning.errors import UserError
from diffusion_lightning.networks.base import Staged

PRECISIONS = "32-true", "bf16-mixed", "16-mixed"
"""Lightning's names of what the network multiplies in; its weights are float32 in all of them."""

COMPILE_AFTER = 10_000
"""Evaluations of a network after which a GPU should have made good the minute or two of a compilation."""

MODES = "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"


@dataclass(frozen=True)
class Speed:
    """What makes a run faster, or smaller. None is what suits the device; docs/speed.md has the figures.

    Args:
        precision: "32-true", "bf16-mixed" or "16-mixed"; None is bf16-mixed on a device that multiplies
            bfloat16, which includes CPUs with AVX512-BF16 or AMX, and 32-true elsewhere.
        compile: torch.compile the network, in place, once for all batch sizes: true, false, or a mode of
            torch's, of which "reduce-overhead" records CUDA graphs; None compiles on a GPU alone, if the run
            is long enough, and records graphs where it samples.
        channels_last: keep images as (B, H, W, C) in memory; a compiler does so by itself where it pays.
        allocator: let the C library keep memory that was freed, instead of asking the kernel for it again in
            every step; None does on a CPU.
        gradient_checkpointing: forget what is inside a stage of the network, and compute it again for the
            gradient (Chen et al. 2016): less memory, a third more time.

    Raises:
        UserError: if a value is none of those.
    """

    precision: str | None = None
    compile: bool | str | None = None
    channels_last: bool = False
    allocator: bool | None = None
    gradient_checkpointing: bool = False

    def __post_init__(self) -> None:
        if self.precision is not None and self.precision not in PRECISIONS:
            allowed = ", ".join(PRECISIONS)
            raise UserError(f"speed.precision is {self.precision}; it must be {allowed}, or null.")
        if isinstance(self.compile, str) and self.compile not in MODES:
            raise UserError(
                f"speed.compile is {self.compile}; it must be true, false, null, or {', '.join(MODES)}."
            )

    @property
    def dtype(self) -> torch.dtype:
        """What the network multiplies in."""
        return dtype_of(self.precision)

    def chosen(self, device: str, evaluations: float, training: bool) -> "Speed":
        """The same with every None replaced, for so many evaluations on a device of this type."""
        pays = device == "cuda" and evaluations >= COMPILE_AFTER
        compiled = (training or "reduce-overhead") if pays else False
        return replace(
            self,
            precision=self.precision or ("bf16-mixed" if multiplies_bf16(device) else "32-true"),
            compile=compiled if self.compile is None else self.compile,
            allocator=device == "cpu" if self.allocator is None else self.allocator,
        )

    def prepare(self, network: nn.Module) -> None:
        """Change a network in place that nothing else has its hands on yet; its state_dict stays as it is."""
        self.lay_out(network)
        self.compile_in_place(network)

    def lay_out(self, network: nn.Module) -> None:
        """Set the network's memory format and checkpointing, before an optimizer sees its weights.

        Raises:
            UserError: if it does not know gradient checkpointing.
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
        """Compile the network's calls, if so chosen; its state_dict stays as it is.

        Raises:
            UserError: if there is no compiler.
        """
        if self.compile:
            _check_compiler(next(network.parameters()).device)
            # The first batch's size is not built in: the last batch of a set, and a grid, have other sizes
            network.compile(dynamic=True, mode=self.compile if isinstance(self.compile, str) else None)

    def prepare_process(self) -> None:
        """Set what holds for the whole process, before it does any work."""
        if self.allocator:
            keep_freed_memory()
        # Attention on a CPU multiplies in float32 otherwise, at a third of the speed
        torch.backends.cuda.allow_fp16_bf16_reduction_math_sdp(self.dtype != torch.float32)


def dtype_of(precision: object) -> torch.dtype:
    """What a network multiplies in under any of Lightning's precisions."""
    start = str(precision).partition("-")[0]
    return {"bf16": torch.bfloat16, "16": torch.float16}.get(start, torch.float32)


def device_type(accelerator: str) -> str:
    """The type of device that is meant, where Lightning's "auto" and "gpu" are what there is."""
    if accelerator not in ("auto", "gpu"):
        return accelerator
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def multiplies_bf16(device: str) -> bool:
    """Whether a device of this type has instructions for bfloat16, rather than emulating them."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu":
        return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return False


def keep_freed_memory() -> None:
    """Let glibc reuse freed memory; by default it maps and unmaps large tensors anew in every step.

    The pages of such a mapping are zeroed by the kernel at first touch, which may cost more than what is
    computed there. Nothing happens with another C library.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mmap_max, trim_threshold = -4, -1  # malloc.h
        mallopt(mmap_max, 0)
        mallopt(trim_threshold, 2**31 - 1)


def _check_compiler(device: torch.device) -> None:
    if device.type == "cpu" and not shutil.which(os.environ.get("CXX", "g++")):
        raise UserError("speed.compile needs a C++ compiler, and there is no g++; speed.compile=false.")
