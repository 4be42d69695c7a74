"""Everything that may differ between versions of other libraries: optional ones, and their private parts.

Each private part has a reason and a test in tests/test_compat.py that fails when the library changes it;
pyproject.toml bounds the versions of these libraries.
"""

import csv
import functools
import importlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_lightning.errors import UserError

# The libraries are imported where they are used: what needs one of them need not wait for the others
if TYPE_CHECKING:
    from torch import Tensor


def needs(module: str, extra: str) -> Any:
    """Import an optional library.

    Args:
        module: the module to import.
        extra: the extra of this package that installs it.

    Raises:
        UserError: if it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        library = module.partition(".")[0].replace("_", "-")
        raise UserError(f"{library} is not installed: pip install 'diffusion-lightning[{extra}]'.") from None


def report_hydra_errors(report: Callable[[Exception], Any]) -> None:
    """Hand errors of the command line to a function. Hydra 1.3 prints a traceback and has no hook for it."""
    import hydra._internal.utils

    def run_and_report(func: Callable[[], Any]) -> Any:
        try:
            return func()
        except Exception as error:
            return report(error)

    hydra._internal.utils.run_and_report = run_and_report


def appending_writer(log_dir: str, rewrite: Callable[[Path, Sequence[str]], None]) -> Any:
    """Lightning's CSV writer, but one that appends to an existing metrics.csv: Lightning's deletes it.

    Args:
        log_dir: the folder of metrics.csv.
        rewrite: writes the file again with these columns; Lightning's way loses it in a crash.
    """
    from lightning.pytorch.loggers.csv_logs import ExperimentWriter

    class AppendingWriter(ExperimentWriter):
        def _check_log_dir_exists(self) -> None:
            path = Path(self.metrics_file_path)
            if path.is_file():
                with path.open(newline="", encoding="utf-8") as file:
                    self.metrics_keys = list(csv.DictReader(file).fieldnames or [])

        def _rewrite_with_new_header(self, fieldnames: list[str]) -> None:
            rewrite(Path(self.metrics_file_path), fieldnames)

    return AppendingWriter(log_dir)


def allow_clipping(optimizer: Any) -> None:
    """Let Lightning clip gradients before the step of a fused optimizer.

    A fused optimizer announces that its step unscales fp16 gradients. Clipping needs them unscaled before,
    so Lightning refuses to clip, in bf16 too, where nothing is scaled.
    """
    optimizer._step_supports_amp_scaling = False


def set_logged_step(epoch_loop: Any, step: int) -> None:
    """Set the step number of Lightning's logs; after a restart it counts one step too many."""
    epoch_loop._batches_that_stepped = step


@contextmanager
def without_download_bars() -> Iterator[None]:
    """A context in which torchvision downloads without its progress bar, which it has no option for."""
    from torchvision.datasets import utils

    before = utils.tqdm
    utils.tqdm = functools.partial(before, disable=True)
    try:
        yield
    finally:
        utils.tqdm = before


def cpu_multiplies_bf16() -> bool:
    """Whether this CPU has instructions for bfloat16 (AVX512-BF16 or AMX); torch has no public way to ask."""
    import torch

    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def lerp_all(tensors: "Sequence[Tensor]", ends: "Sequence[Tensor]", weight: float) -> None:
    """Move each tensor towards its end by this part of the way, in place and in few kernels.

    torch.optim does the same with these private functions; a loop over `lerp_` takes a kernel per tensor.
    """
    import torch

    torch._foreach_lerp_(list(tensors), list(ends), weight)
