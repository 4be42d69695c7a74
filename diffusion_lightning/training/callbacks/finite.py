"""What happens when numbers are no longer finite."""

import logging
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor
from torch.distributed.tensor import DTensor
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from diffusion_lightning.errors import UserError, check_at_least

log = logging.getLogger(__name__)


class FiniteGuard(Callback):
    """Ends a run whose gradient is not finite before the optimizer spoils the weights with it.

    The error names the step and the times whose loss was not finite; the state before the step is kept in
    `<folder>/non_finite.ckpt`. As a step's batch and noise depend on the seed and the step alone, a run that
    is resumed from its last checkpoint comes to the same place again. On a GPU, where asking for a number
    holds up the work, several steps are looked at together, and always before a checkpoint is written, so
    that none holds spoilt weights.

    Args:
        folder: of the state that is kept.
        max_skipped: so many such steps are left out before one ends the run; counted as `train/skipped`.
        every_n_steps: how many are looked at together; null is 1 on the CPU and 50 on a GPU. What may be left
            out is looked at one by one.

    Raises:
        UserError: if a number is out of range; in training, if the gradient is not finite.
    """

    def __init__(self, folder: str, max_skipped: int = 0, every_n_steps: int | None = None) -> None:
        check_at_least("max_skipped", max_skipped, 0)
        if every_n_steps is not None:
            check_at_least("every_n_steps", every_n_steps)
        self.path = Path(folder) / "non_finite.ckpt"
        self.max_skipped = max_skipped
        self.every_n_steps = every_n_steps
        self.skipped = 0
        self._losses: list[tuple[Tensor, Tensor]] = []
        self._steps: list[tuple[int, Tensor, list[tuple[Tensor, Tensor]]]] = []

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Choose by the device how many steps are looked at together."""
        together = self.every_n_steps or (1 if pl_module.device.type == "cpu" else 50)
        self._together = 1 if self.max_skipped else together

    def on_after_backward(self, trainer: Trainer, pl_module: Any) -> None:
        """Remember the batch's times and losses."""
        self._losses.append(pl_module.latest_loss)

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: Any, optimizer: Optimizer) -> None:
        """Look at the gradient, or at those of the last steps.

        Raises:
            UserError: if one is not finite and may not be left out.
        """
        losses, self._losses = self._losses, []
        if getattr(trainer.precision_plugin, "scaler", None) is not None:
            return  # fp16: infinite gradients are how its scaler finds the scale, and it skips them itself
        gradients = [p.grad for p in pl_module.parameters() if p.grad is not None]
        # The module clips with it
        norm = pl_module.gradient_norm = get_total_norm(gradients)
        norm = norm.full_tensor() if isinstance(norm, DTensor) else norm
        pl_module.log("train/grad_norm", norm)
        self._steps.append((trainer.global_step, norm, losses))
        if len(self._steps) >= self._together and self._found(trainer):
            # Without gradients the optimizer's step changes nothing, its averages included
            optimizer.zero_grad(set_to_none=True)
        if self.skipped:
            pl_module.log("train/skipped", float(self.skipped))

    def on_save_checkpoint(self, trainer: Trainer, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Look before a checkpoint is written."""
        self._found(trainer)

    def state_dict(self) -> dict[str, int]:
        """How many steps were left out."""
        return {"skipped": self.skipped}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        """Count on."""
        self.skipped = state_dict["skipped"]

    def _found(self, trainer: Trainer) -> bool:
        """Whether a remembered step is to be left out; all are forgotten."""
        steps, self._steps = self._steps, []
        if not steps or bool(torch.stack([norm for _, norm, _ in steps]).isfinite().all()):
            return False
        step, norm, losses = next(entry for entry in steps if not entry[1].isfinite())
        what = f"step {step}: the gradient is not finite (norm {float(norm):g}); {_where(losses)}"
        if self.skipped < self.max_skipped:
            self.skipped += 1
            log.warning("%s. Left out: %d of at most %d", what, self.skipped, self.max_skipped)
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
            "trainer.detect_anomaly=true names the operation; callbacks.finite.max_skipped=10 leaves such "
            "steps out."
        )


def _where(losses: list[tuple[Tensor, Tensor]]) -> str:
    """Which times (B,) had a loss (B,) that is not finite."""
    t = torch.cat([t for t, _ in losses])
    bad = ~torch.cat([loss for _, loss in losses]).isfinite().cpu()
    if not bad.any():
        return "every image's loss was finite"
    low, high = t[bad].aminmax()
    return f"nor was the loss of {int(bad.sum())} of {len(t)} images, at t from {low:.4g} to {high:.4g}"
