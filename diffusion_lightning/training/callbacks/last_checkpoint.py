"""The checkpoint from which a run is resumed."""

import logging
import os
import signal
import threading
import time
from pathlib import Path
from types import FrameType
from typing import Any

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint

from diffusion_lightning.checkpoints.format import LAST
from diffusion_lightning.compat import never_ask_for_sigterm, set_logged_step
from diffusion_lightning.distributed import true_anywhere, world_size
from diffusion_lightning.errors import UserError, check_at_least
from diffusion_lightning.loggers import MetricsCSV

log = logging.getLogger(__name__)

SIGNALS = [
    getattr(signal, name) for name in ("SIGTERM", "SIGUSR1", "SIGINT") if hasattr(signal, name)
]  # Windows has no SIGUSR1
"""Schedulers such as SLURM send the first two before they take the machine away."""

ASK_EVERY = 10
"""Before every tenth batch, processes tell each other that one of them was signalled; it makes them wait for
each other."""


class LastCheckpoint(Checkpoint):
    """Keeps `<folder>/last.ckpt`, from which a run resumes as if it had never stopped.

    It is written just before a batch is trained on, when the work of earlier batches is done (logs,
    validation, sample grids): at the start of every epoch, every n steps and minutes, on a signal, and at the
    end of the run. SIGTERM, SIGUSR1 and Ctrl-C end the run before its next batch, after that checkpoint, with
    the exit code 128 + signal; a second Ctrl-C ends it at once.

    Args:
        folder: where the checkpoint is kept.
        every_n_steps: write before every n-th optimizer step; None for never.
        every_n_minutes: write when the last checkpoint is n minutes old; None for never.

    Raises:
        UserError: if a number is not positive.
    """

    def __init__(
        self, folder: str, every_n_steps: int | None = None, every_n_minutes: float | None = 10
    ) -> None:
        if every_n_steps is not None:
            check_at_least("every_n_steps", every_n_steps)
        if every_n_minutes is not None and not every_n_minutes > 0:
            raise UserError(f"every_n_minutes is {every_n_minutes}; it must be positive, or null.")
        self.path = Path(folder) / LAST
        self.every_n_steps = every_n_steps
        self.every_n_seconds = float("inf") if every_n_minutes is None else 60 * every_n_minutes
        self._finished = False
        self._monitored: dict[str, Any] = {}
        self._signal: int | None = None
        self._handlers: dict[int, Any] = {}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Handle signals, and drop what was counted and logged after the checkpoint."""
        _count_from_the_checkpoint(trainer)
        trainer.callback_metrics.update(self._monitored)
        self._saved_step = trainer.global_step or -1
        self._saved_at = time.monotonic()
        for logger in trainer.loggers:
            if isinstance(logger, MetricsCSV):
                logger.forget_from(trainer.global_step)
        never_ask_for_sigterm(trainer)
        if threading.current_thread() is threading.main_thread():
            self._handlers = {number: signal.signal(number, self._on_signal) for number in SIGNALS}

    def on_train_batch_start(
        self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Write if it is time; stop after a signal.

        Raises:
            SystemExit: after a signal.
        """
        if batch_idx % trainer.accumulate_grad_batches:
            return  # a checkpoint does not hold gradients that were accumulated within a step
        stop = self._in_any_process(self._signal is not None, batch_idx)
        old = time.monotonic() - self._saved_at > self.every_n_seconds
        step = trainer.global_step
        due = batch_idx == 0 or (self.every_n_steps and step % self.every_n_steps == 0)
        if stop or due or self._in_any_process(old, batch_idx):
            self._save(trainer)
        if stop:
            log.warning("stopped; resume with resume=true hydra.run.dir=%s", self.path.parent.parent)
            # One process gives the exit code for all
            raise SystemExit(128 + (self._signal or signal.SIGTERM) if trainer.is_global_zero else 0)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Write the finished run."""
        self._restore_handlers()
        self._finished = True
        self._save(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Restore the signal handlers."""
        self._restore_handlers()

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Add whether the run is finished, and the latest values of what callbacks monitor."""
        checkpoint["finished"] = self._finished
        names = {str(getattr(callback, "monitor", "")) for callback in trainer.callbacks}  # type: ignore[attr-defined]
        values = trainer.callback_metrics
        checkpoint["monitored"] = {name: values[name].clone() for name in sorted(names & values.keys())}

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Keep those values for the start."""
        self._monitored = checkpoint.get("monitored", {})

    def _save(self, trainer: Trainer) -> None:
        if self._saved_step == trainer.global_step and not self._finished:
            return
        if trainer.fast_dev_run:  # type: ignore[attr-defined]
            return  # it writes nothing
        # The logs must be on disk before the checkpoint is
        for logger in trainer.loggers:
            logger.save()
        trainer.save_checkpoint(self.path, weights_only=False)
        self._saved_step, self._saved_at = trainer.global_step, time.monotonic()

    @staticmethod
    def _in_any_process(condition: bool, batch_idx: int) -> bool:
        if world_size() == 1:
            return condition
        return batch_idx % ASK_EVERY == 0 and true_anywhere(condition)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signal = number
        message = f"{signal.Signals(number).name}: stopping before the next batch, with a checkpoint"
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            message += "; Ctrl-C again stops at once"
        os.write(2, f"\n{message}\n".encode())  # print and logging are not reentrant

    def _restore_handlers(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers = {}


def _count_from_the_checkpoint(trainer: Trainer) -> None:
    """Uncount the batch before which the checkpoint was written: it is trained on now."""
    loop = trainer.fit_loop.epoch_loop
    batches: Any = loop.batch_progress
    if trainer.fit_loop.restarting and batches.current.ready > batches.current.started:
        batches.current.reset_on_restart()
        batches.total.reset_on_restart()
        set_logged_step(loop, trainer.global_step - 1)
