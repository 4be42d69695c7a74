"""Everything that may differ between versions of other libraries: optional ones, and their private parts.

Each private part has a reason and a test in tests/test_compat.py that fails when the library changes it;
pyproject.toml bounds the versions of these libraries.
"""

import csv
import functools
import importlib.util
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


def list_groups_once() -> None:
    """Let Hydra list the options of a group without copying all configs; `--help` asks 178 times."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl
    from hydra.core.object_type import ObjectType

    def get_group_options(
        self: Any,
        group_name: str,
        results_filter: Any = ObjectType.CONFIG,
        config_name: str | None = None,
        overrides: list[str] | None = None,
    ) -> list[str]:
        repository = self.repository
        if config_name or overrides:
            _, repository = self._parse_overrides_and_create_caching_repo(config_name, overrides or [])
        return repository.get_group_options(group_name, results_filter)

    ConfigLoaderImpl.get_group_options = get_group_options  # type: ignore[method-assign]


def whole_config(node: Any) -> Any:
    """The OmegaConf config that a node is part of; errors know the node alone."""
    return node._get_root()


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


def digits_file() -> Path:
    """The table of scikit-learn's digits; importing the library to read it takes longer than importing torch.

    Raises:
        ImportError: if scikit-learn is not installed.
    """
    found = importlib.util.find_spec("sklearn")
    if found is None or not found.submodule_search_locations:
        raise ImportError("scikit-learn is not installed")
    return Path(found.submodule_search_locations[0], "datasets", "data", "digits.csv.gz")


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


@contextmanager
def uncompiled(module: Any) -> Iterator[None]:
    """A context in which a module that was compiled in place, or parts of it, run as they were written.

    A compiled graph frees what a second gradient through it needs, and torch has no public way back.
    """
    compiled = {part: part._compiled_call_impl for part in module.modules()}
    for part in compiled:
        part._compiled_call_impl = None
    try:
        yield
    finally:
        for part, call in compiled.items():
            part._compiled_call_impl = call


def never_ask_for_sigterm(trainer: Any) -> None:
    """Keep Lightning from asking all processes for a SIGTERM before every batch.

    Its broadcast reads a number, for which the CPU waits for all work of the GPU; it has no option for it.
    """
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None


def lerp_all(tensors: "Sequence[Tensor]", ends: "Sequence[Tensor]", weight: float) -> None:
    """Move each tensor towards its end by this part of the way, in place and in few kernels.

    torch.optim does the same with these private functions; a loop over `lerp_` takes a kernel per tensor.
    """
    import torch

    torch._foreach_lerp_(list(tensors), list(ends), weight)


CHECKPOINT_MEMORY = "_last_global_step_saved", "_defer_save_until_validation"
"""What Lightning's ModelCheckpoint leaves out of its state, though it decides when it saves next."""


def checkpoint_memory(callback: Any) -> dict[str, Any]:
    """The step at which it saved last, and whether it waits for the next validation."""
    return {name: getattr(callback, name) for name in CHECKPOINT_MEMORY}


def remember_checkpoint(callback: Any, memory: dict[str, Any]) -> None:
    """Restore what `checkpoint_memory` gave."""
    for name, value in memory.items():
        if name in CHECKPOINT_MEMORY:
            setattr(callback, name, value)
