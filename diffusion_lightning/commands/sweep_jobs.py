"""A job of a sweep that fails: it is recorded, counts as the worst of a search, and the other jobs run."""

import math
from pathlib import Path
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.messages import no_option, user_message
from diffusion_lightning.commands.run_names import process_number
from diffusion_lightning.errors import UserError
from diffusion_lightning.files import read_json, write_json
from diffusion_lightning.runs.failure import FAILURE


class SweepJobs(Callback):
    """Hydra's callback that keeps a sweep going when one of its jobs fails, and tells so at the end.

    Hydra's sweepers stop at the first job that raised an error: a search at once, others after the jobs that
    were launched together. They get the worst result instead, infinity or for `direction=maximize` its
    negative, as they do in place of NaN. The exit code of the sweep is then 1.
    """

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Remember which jobs failed in earlier sweeps in the same folder.

        Raises:
            SystemExit: if an option of a group that the sweep is over does not exist; a search would come to
                it after some trials, and end.
        """
        _check_options(config)
        self._before = _failures(Path(config.hydra.sweep.dir))

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Record whether the job failed, and put the worst result in place of none."""
        if config.hydra.mode.name != "MULTIRUN" or process_number():
            return
        file = Path(config.hydra.runtime.output_dir) / FAILURE
        try:
            result = job_return.return_value
            if result is None and "direction" in config.hydra.sweeper:
                raise UserError(f"a search needs a number, and nothing measured {config.optimized_metric}.")
            file.unlink(missing_ok=True)
        except Exception as error:
            result = math.nan
            _record(error, file)
        if isinstance(result, float) and math.isnan(result):
            # An error is let go, and with it the tensors of its frames
            job_return.return_value, job_return.status = worst(config), JobStatus.COMPLETED

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """End with an error if a job failed.

        Raises:
            SystemExit: if one did; Hydra turns any other exception into a warning.
        """
        folder = Path(config.hydra.sweep.dir)
        failed = [file for file, time in _failures(folder).items() if self._before.get(file) != time]
        if failed:
            first = read_json(failed[0])["error"]
            jobs = "a job of the sweep" if len(failed) == 1 else f"{len(failed)} jobs of the sweep"
            raise SystemExit(f"error: {jobs} failed ({folder}/*/{FAILURE}), the first with: {first}")


def worst(config: DictConfig) -> float:
    """The worst result of a search."""
    direction = OmegaConf.select(config, "hydra.sweeper.direction")
    return -math.inf if str(getattr(direction, "name", direction)) == "maximize" else math.inf


def failures(folder: Path) -> list[dict[str, Any]]:
    """One row for each job in the folder of a sweep that failed: its overrides, the error, its folder."""
    records = [(read_json(file), file.parent.name) for file in _failures(folder)]
    return [record["overrides"] | {"failed": record["error"], "folder": name} for record, name in records]


def _check_options(config: DictConfig) -> None:
    params = OmegaConf.select(config, "hydra.sweeper.params") or {}
    swept = [*(f"{key}={value}" for key, value in params.items()), *config.hydra.overrides.task]
    for override in OverridesParser.create().parse_overrides(swept):
        if override.is_choice_sweep():
            options = GlobalHydra.instance().config_loader().get_group_options(override.key_or_group)
            for choice in override.sweep_string_iterator() if options else ():
                if choice not in options and choice[0] != "[" and choice != "null":
                    raise SystemExit(f"error: {no_option(override.key_or_group, choice, options)}")


def _record(error: Exception, file: Path) -> None:
    from diffusion_lightning.evaluation.record import overrides

    message = user_message(error) or f"{type(error).__name__}: {' '.join(str(error).split())}"
    file.parent.mkdir(parents=True, exist_ok=True)  # a job that wrote nothing has no folder any more
    write_json({"overrides": overrides(), "error": message}, file)


def _failures(folder: Path) -> dict[Path, int]:
    """The records of failures, and when each was written."""
    return {file: file.stat().st_mtime_ns for file in sorted(folder.glob(f"*/{FAILURE}"))}
