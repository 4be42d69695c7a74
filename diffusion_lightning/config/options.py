"""Which options change a result: the one table that resumed runs, records and folder names go by.

An option that is not in the table changes the result.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Free:
    """The options of a command that change none of its results, each with everything below it.

    Args:
        unnamed: options that are left out of the names of folders, unless a sweep is over them.
        named: options that are part of the names of folders all the same.
    """

    unnamed: tuple[str, ...]
    named: tuple[str, ...] = ()


FREE = {
    # The weights are what counts: other images may be drawn from them, and by other callbacks
    "train": Free(
        unnamed=("data_dir", "resume", "optimized_metric", "logger", "logger.wandb.offline"),
        named=(
            "paths",
            "speed",
            "sampler",
            "clamp",
            "extractor",
            "guidance.scale",
            "guidance.interval",
            "guidance.rescale",
            "guidance.profile",
            "guidance.away",
            "dataset.data_dir",
            "dataset.num_workers",
            "dataset.memory_limit",
            "dataset.batch_size",  # the images of a step count, over all processes: the module compares them
            "callbacks.sample_grid",
            "callbacks.fid",
            "callbacks.learning_rate",
            "callbacks.progress_bar",
            "callbacks.checkpoint",
            "callbacks.finite",
            "callbacks.last",
            "trainer.accelerator",
            "trainer.strategy",
            "trainer.devices",
            "trainer.num_nodes",
            "trainer.default_root_dir",
            "trainer.precision",
            "trainer.max_epochs",
            "trainer.min_epochs",
            "trainer.max_steps",
            "trainer.min_steps",
            "trainer.max_time",
            "trainer.limit_val_batches",
            "trainer.fast_dev_run",
            "trainer.val_check_interval",
            "trainer.check_val_every_n_epoch",
            "trainer.num_sanity_val_steps",
            "trainer.log_every_n_steps",
            "trainer.enable_progress_bar",
            "trainer.enable_model_summary",
            "trainer.accumulate_grad_batches",  # as dataset.batch_size
            "trainer.deterministic",
            "trainer.benchmark",
            "trainer.detect_anomaly",
            "trainer.profiler",
            "trainer.use_distributed_sampler",
        ),
    ),
    # Images depend on no batch size and no device but for rounding
    "sample": Free(unnamed=("checkpoint", "data_dir", "device", "batch_size", "overwrite")),
    "evaluate": Free(
        unnamed=(
            "checkpoint",  # its hash counts
            "samples",  # its hash counts
            "study",
            "data_dir",
            "device",
            "devices",
            "batch_size",
            "out",
            "overwrite",
            "logger",
            "logger.wandb.offline",
        ),
        # The data set brings its recipe of training along
        named=("paths", "trust", "trainer", "optimizer", "callbacks"),
    ),
}


def unnamed(command: str, swept: Collection[str] = ()) -> list[str]:
    """The options that are no part of the name of a job's folder.

    Args:
        command: train, sample or evaluate.
        swept: the options that the sweep is over, in which its jobs differ.
    """
    return [option for option in FREE[command].unnamed if option not in swept]


def decisive(command: str, config: dict[str, Any]) -> dict[str, Any]:
    """The part of a plain config that changes a result."""
    free = {*FREE[command].unnamed, *FREE[command].named}
    return _without(free, config, "")


def flat(config: dict[str, Any], name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a plain config with its full key."""
    for key, value in config.items():
        where = f"{name}.{key}" if name else key
        if isinstance(value, dict):
            yield from flat(value, where)
        else:
            yield where, value


def _without(free: Collection[str], config: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {
        key: _without(free, value, f"{prefix}{key}.") if isinstance(value, dict) else value
        for key, value in config.items()
        if f"{prefix}{key}" not in free
    }
