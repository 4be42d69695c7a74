"""Which options change a result: the one table that resumed runs, records and folder names go by.

An option that is not in the table changes the result.
"""

from collections.abc import Callable, Collection, Iterator
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
            "captions",
            "logger",
            "logger.wandb.offline",
        ),
        # The data set brings its recipe of training along
        named=(
            *("paths", "trust", "trainer", "optimizer", "callbacks"),
            "dataset.copy",  # the hash of the images counts
        ),
    ),
}


def unnamed(command: str, swept: Collection[str] = ()) -> list[str]:
    """The options that are no part of the name of a job's folder.

    Args:
        command: train, sample or evaluate.
        swept: the options that the sweep is over, in which its jobs differ.
    """
    return [option for option in FREE[command].unnamed if option not in swept]


def decisive(command: str, config: dict[str, Any], swept: Collection[str] = ()) -> dict[str, Any]:
    """The part of a plain config that changes a result.

    Paths within the run's own folder stand there as `./…`: the folder may be moved.

    Args:
        command: train, sample or evaluate.
        config: the config.
        swept: the options that the sweep is over, which count all the same, with everything below them.
    """
    free = {*FREE[command].unnamed, *FREE[command].named}
    here = (config.get("paths") or {}).get("run_dir")
    always = {option.replace("/", ".") for option in swept}
    kept = _kept(config, "", lambda key: _within(key, always) or not _within(key, free))
    return _moved(kept, here) if here else kept


def flat(config: dict[str, Any], name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a plain config with its full key."""
    for key, value in config.items():
        where = f"{name}.{key}" if name else key
        if isinstance(value, dict):
            yield from flat(value, where)
        else:
            yield where, value


def _within(key: str, options: Collection[str]) -> bool:
    """Whether the key is one of these options, or below one."""
    return any(f"{key}.".startswith(f"{option}.") for option in options)


def _kept(config: dict[str, Any], prefix: str, counts: Callable[[str], bool]) -> dict[str, Any]:
    kept: dict[str, Any] = {}
    for key, value in config.items():
        where = f"{prefix}{key}"
        inner = _kept(value, f"{where}.", counts) if isinstance(value, dict) else value
        if counts(where) or (isinstance(value, dict) and inner):
            kept[key] = inner
    return kept


def _moved(node: Any, here: str) -> Any:
    if isinstance(node, dict):
        return {key: _moved(value, here) for key, value in node.items()}
    if isinstance(node, list):
        return [_moved(value, here) for value in node]
    inside = isinstance(node, str) and (node == here or node.startswith((f"{here}/", f"{here}\\")))
    return f".{node[len(here) :]}" if inside else node
