"""Stops a run whose gradient is not finite."""

import logging
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.optim import Optimizer

from diffusion_lightning.checkpoints.format import NOT_FINITE
from diffusion_lightning.errors import UserError, check_at_least

log = logging.getLogger(__name__)


class FiniteGuard(Callback):
    """Ends a run whose gradient is not finite, before the optimizer spoils the weights with it.

    The error names the step, and the times t whose loss was not finite. The state before the step is saved as
    `<folder>/non_finite.ckpt`. A step's batch and noise depend on the seed and the step alone, so a run that
    is resumed from its last checkpoint reaches the same step again. On a GPU, reading a number waits for all
    work before it, so several steps are checked together, and always before a checkpoint is written: no
    checkpoint holds spoilt weights.

    Args:
        folder: where the state is saved.
        max_skipped: number of such steps that are skipped; the next one ends the run. Logged as
            `train/skipped`.
        every_n_steps: number of steps that are checked together; None is 1 on the CPU and 50 on a GPU. Where
            steps may be skipped, each is checked before it is taken.

    Raises:
        UserError: if a number is out of range; in training, if the gradient is not finite.
    """

    def __init__(self, folder: str, max_skipped: int = 0, every_n_steps: int | None = None) -> None:
        check_at_least("max_skipped", max_skipped, 0)
        if every_n_steps is not None:
            check_at_least("every_n_steps", every_n_steps)
        self.path = Path(folder) / NOT_FINITE
        self.max_skipped = max_skipped
        self.every_n_steps = every_n_steps
        self.skipped = 0
        self._losses: list[tuple[Tensor, Tensor]] = []
        self._steps: list[tuple[int, Tensor, list[tuple[Tensor, Tensor]]]] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose how many steps are checked together on this device."""
        together = self.every_n_steps or (1 if pl_module.device.type == "cpu" else 50)
        self._together = 1 if self.max_skipped else together

    def on_after_backward(self, trainer: Trainer, pl_module: Any) -> None:
        """Keep the batch's times and losses."""
        self._losses.append(pl_module.latest_loss)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: Any, optimizer: Optimizer) -> None:
        """Check the gradient, or those of the last steps.

        Raises:
            UserError: if one is not finite and may not be skipped.
        """
        losses, self._losses = self._losses, []
        if getattr(trainer.precision_plugin, "scaler", None) is not None:
            return  # fp16: its scaler finds the scale by infinite gradients, and skips those steps itself
        self._steps.append((trainer.global_step, pl_module.gradient_norm(), losses))
        if len(self._steps) >= self._together and self._must_skip(trainer):
            # Without gradients the optimizer's step changes nothing, its averages included
            optimizer.zero_grad(set_to_none=True)
        if self.skipped:
            pl_module.log("train/skipped", float(self.skipped))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Check before a checkpoint is written."""
        self._must_skip(trainer)

    def state_dict(self) -> dict[str, int]:
        """How many steps were skipped."""
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Restore the count."""
        self.skipped = state_dict["skipped"]

    def _must_skip(self, trainer: Trainer) -> bool:
        """Check the steps that were kept; whether the last of them must be skipped."""
        steps, self._steps = self._steps, []
        if not steps or bool(torch.stack([norm for _, norm, _ in steps]).isfinite().all()):
            return False
        step, norm, losses = next(entry for entry in steps if not entry[1].isfinite())
        what = f"step {step}: the gradient is not finite (norm {float(norm):g}); {_where(losses)}"
        if self.skipped < self.max_skipped:
            self.skipped += 1
            log.warning("%s. Skipped: %d of at most %d", what, self.skipped, self.max_skipped)
            return True
        trainer.save_checkpoint(self.path, weights_only=False)
        after = f" (found {steps[-1][0] - step} steps later)" if len(steps) > 1 else ""
        precise = (
            ""
            if trainer.precision == "32-true"
            else f", or trainer.precision=32-true ({trainer.precision} now)"
        )
        raise UserError(
            f"{what}{after}. The state is in {self.path}. Try a lower optimizer.lr{precise}; "
            "trainer.detect_anomaly=true names the operation; callbacks.finite.max_skipped=10 skips such "
            "steps."
        )


def _where(losses: list[tuple[Tensor, Tensor]]) -> str:
    """Says at which times the loss was not finite."""
    t = torch.cat([t for t, _ in losses])
    bad = ~torch.cat([loss for _, loss in losses]).isfinite().cpu()
    if not bad.any():
        return "every image's loss was finite"
    low, high = t[bad].aminmax()
    return f"nor was the loss of {int(bad.sum())} of {len(t)} images, at t from {low:.4g} to {high:.4g}"
