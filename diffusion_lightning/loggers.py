"""The logs of a run: a CSV file, and a W&B dashboard."""

import csv
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger
from lightning.pytorch.loggers.logger import rank_zero_experiment
from lightning.pytorch.utilities import rank_zero_only
from torch import Tensor

from diffusion_lightning.compat import appending_writer, needs
from diffusion_lightning.files import atomic_write, read_csv


def rewrite_csv(
    path: Path,
    columns: Sequence[str] | None = None,
    keep: Callable[[dict[str, str]], bool] = lambda row: True,
) -> None:
    """Write the file again with other columns or fewer rows, without a last line that is not whole."""
    reader = read_csv(path)
    rows = [row for row in reader if keep(row)]
    with atomic_write(path) as file:
        writer = csv.DictWriter(file, fieldnames=columns or reader.fieldnames or [])
        writer.writeheader()
        writer.writerows(rows)


def last_values(path: Path) -> dict[str, float]:
    """The last value of every metric in a metrics.csv."""
    last: dict[str, float] = {}
    for row in read_csv(path):
        last |= {name: float(value) for name, value in row.items() if value}
    return last


class _CountsImages:
    """A logger that adds the images seen to each row, so that runs of different batch sizes compare."""

    _module: Any = None
    """The module that counts the images; None in an evaluation."""

    @rank_zero_only
    def log_graph(self, model: Any, input_array: Tensor | None = None) -> None:
        """Keep the module that counts the images: Lightning calls this before it logs any metric."""
        self._module = model

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log a row with the images seen."""
        seen = {"images_seen": self._module.images_seen} if self._module else {}
        super().log_metrics({**metrics, **seen}, step)  # type: ignore[misc]


class MetricsCSV(_CountsImages, CSVLogger):
    """Writes `<save_dir>/metrics.csv`, and appends to it when a run is resumed."""

    def __init__(self, save_dir: str, flush_logs_every_n_steps: int = 100) -> None:
        super().__init__(save_dir, name="", version="", flush_logs_every_n_steps=flush_logs_every_n_steps)

    @property
    @rank_zero_experiment
    def experiment(self) -> Any:
        """The writer."""
        if self._experiment is None:
            self._experiment = appending_writer(self.log_dir, rewrite_csv)
        return self._experiment

    @rank_zero_only
    def forget_from(self, step: int) -> None:
        """Drop the rows of this step and later ones; the resumed run writes them again."""
        path = Path(self.experiment.metrics_file_path)
        if path.is_file():
            rewrite_csv(path, keep=lambda row: int(row["step"]) < step)


class TensorBoard(_CountsImages, TensorBoardLogger):
    """Lightning's logger for TensorBoard, with the images seen on the x-axis, so that batch sizes compare.

    Raises:
        UserError: if tensorboard is not installed.
    """

    def __init__(self, save_dir: str, **options: Any) -> None:
        needs("tensorboard", extra="tensorboard")
        super().__init__(save_dir, **options)

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, Any], step: int | None = None) -> None:
        """Log the metrics over the images seen; those of an evaluation over nothing."""
        super().log_metrics(metrics, self._module.images_seen if self._module else step)

    @rank_zero_only
    def log_image(self, name: str, images: Sequence[Any]) -> None:
        """Log images (H, W, C) over the images seen."""
        for image in images:
            seen = self._module.images_seen if self._module else 0
            self.experiment.add_image(name, image, seen, dataformats="HWC")


class WandbDashboard(_CountsImages, WandbLogger):
    """A W&B run with the images seen on the x-axis of every chart, so that batch sizes compare.

    W&B drops rows whose step, in its own count, does not rise; Lightning's step is only a column.
    """

    @rank_zero_only
    def log_graph(self, model: Any, input_array: Tensor | None = None) -> None:
        """Keep the module, and put the images seen on the x-axis of every chart."""
        super().log_graph(model, input_array)
        run = self.experiment
        run.define_metric("images_seen")
        # Lightning has put trainer/global_step on the x-axis of all; the last definition wins.
        run.define_metric("*", step_metric="images_seen")
        for name in "val/loss", "fid", "kid":
            run.define_metric(name, step_metric="images_seen", summary="min")


def log_image(logger: Any, name: str, image: Tensor, step: int) -> None:
    """Give a uint8 image (C, H, W) to a logger that takes images (W&B, TensorBoard, Lightning's own)."""
    if hasattr(logger, "log_image"):
        logger.log_image(name, [image.permute(1, 2, 0).numpy()])
    elif hasattr(logger.experiment, "add_image"):
        logger.experiment.add_image(name, image, step)
