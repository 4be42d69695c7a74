"""Images per second and the time left, in the progress bar and the log."""

import logging
import sys
import time
from datetime import timedelta
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import TQDMProgressBar

from diffusion_lightning.progress import LINE_EVERY, watched
from diffusion_lightning.training.data_module import train_batches_of

log = logging.getLogger(__name__)

LOSS = "train/loss"
"""What the bar shows of the metrics that are logged for each step."""


class Throughput(TQDMProgressBar):
    """Lightning's progress bar with images/s (of all processes) and the time left of the run.

    Where nobody watches, it is a line in the log: at the end of an epoch or within a long one, every half
    minute, and at the end of the run.
    """

    measures = ("train/images_per_second",)
    """What it logs that may be monitored or optimized."""

    def __init__(self, refresh_rate: int = 20) -> None:
        super().__init__(refresh_rate=refresh_rate)
        self._training_seconds = 0.0
        self._images = 0
        self._lines = False

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Choose between a bar and lines; process 0 shows either."""
        super().setup(trainer, pl_module, stage)
        self._lines = False
        self._next_line = time.monotonic() + LINE_EVERY
        if not watched(sys.stdout):
            self._lines = trainer.is_global_zero and self.is_enabled
            self.disable()

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *args: Any) -> None:
        """Start the clock of the batch."""
        super().on_train_batch_start(trainer, pl_module, *args)
        if self._images == 0:
            self._last = time.perf_counter()
            self._first_step = trainer.global_step

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count the batch; log the rate with the other step metrics."""
        now = time.perf_counter()
        # Validation, sampling and checkpoints between batches count: they are part of the time left.
        self._training_seconds += now - self._last
        self._last = now
        self._images += train_batches_of(trainer).images_in(batch_idx)
        if trainer.global_step % trainer.log_every_n_steps == 0:  # type: ignore[attr-defined]
            pl_module.log("train/images_per_second", self._images / self._training_seconds)
        super().on_train_batch_end(trainer, pl_module, outputs, batch, batch_idx)
        # A line within an epoch only if its end would come too late
        if time.monotonic() > self._next_line + LINE_EVERY:
            self._line(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log a line, if the last is old."""
        super().on_train_epoch_end(trainer, pl_module)
        if time.monotonic() > self._next_line:
            self._line(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Log the last line."""
        super().on_train_end(trainer, pl_module)
        self._line(trainer, pl_module)

    def _line(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._next_line = time.monotonic() + LINE_EVERY
        if self._lines:
            metrics = self.get_metrics(trainer, pl_module).items()
            values = (f"{name} {x:.4g}" if isinstance(x, float) else f"{name} {x}" for name, x in metrics)
            log.info("epoch %d, step %d: %s", trainer.current_epoch, trainer.global_step, ", ".join(values))

    def get_metrics(self, trainer: Trainer, pl_module: LightningModule) -> dict[str, Any]:
        """The latest loss, the bar's metrics, images/s, and the time left of all epochs."""
        metrics = super().get_metrics(trainer, pl_module)
        metrics.pop("v_num", None)
        if LOSS in trainer.logged_metrics:
            metrics = {LOSS: float(trainer.logged_metrics[LOSS]), **metrics}
        if self._images:
            metrics["images/s"] = f"{self._images / self._training_seconds:.0f}"
            seconds = self._seconds_left(trainer)
            if seconds is not None:
                metrics["left"] = str(timedelta(seconds=round(seconds)))
        return metrics

    def _seconds_left(self, trainer: Trainer) -> float | None:
        """Seconds of the steps that are left; None of a run without end, or before its first step."""
        total, done = trainer.estimated_stepping_batches, trainer.global_step - self._first_step
        if total == float("inf") or done == 0:
            return None
        return max(0, total - trainer.global_step) * self._training_seconds / done
