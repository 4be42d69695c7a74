"""The logs of a run: a CSV, and a W&B dashboard."""

import csv
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, WandbLogger
from lightning.pytorch.loggers.csv_logs import ExperimentWriter
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor


class _Writer(ExperimentWriter):
    """Goes on in an existing metrics.csv; Lightning's writer would delete it."""

    def _check_log_dir_exists(self) -> None:
        path = Path(self.metrics_file_path)
        if path.is_file():
            with path.open(newline="") as file:
                self.metrics_keys = list(csv.DictReader(file).fieldnames or [])


class MetricsCSV(CSVLogger):
    """Writes `<save_dir>/metrics.csv`, and appends to it when a run is resumed."""

    def __init__(self, save_dir: str, flush_logs_every_n_steps: int = 100) -> None:
        super().__init__(save_dir, name="", version="", flush_logs_every_n_steps=flush_logs_every_n_steps)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer."""
        if self._experiment is None:
            self._experiment = _Writer(log_dir=self.log_dir)
        return self._experiment


class WandbDashboard(WandbLogger):
    """A W&B run with the images seen as the x-axis of every chart, so that batch sizes compare."""

    _module: Any = None
    """What counts the images; an evaluation has none."""

    @rank_zero_only
    def log_graph(self, model: Any, input_array: Tensor | None = None) -> None:
        """Take the module that counts the images: Lightning hands it over here, before any metric."""
        self._module = model
        run = self.experiment
        run.define_metric("images_seen")
        # Lightning has put "*" over trainer/global_step; the last definition holds.
        run.define_metric("*", step_metric="images_seen")
        for name in "val/loss", "fid", "kid":
            run.define_metric(name, step_metric="images_seen", summary="min")

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log metrics or media as a row of their own, with the images seen.

        W&B drops rows whose own step does not rise; Lightning's step is a mere column.
        """
        seen = {"images_seen": self._module.images_seen} if self._module else {}
        super().log_metrics({**metrics, **seen}, step)
