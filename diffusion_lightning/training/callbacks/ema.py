"""Exponential moving average of the weights."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from diffusion_lightning.compat import lerp_all
from diffusion_lightning.errors import UserError


class EMA(Callback):
    """avg ← d avg + (1 - d) weights after every optimizer step, with d = min(decay, (1 + n)/(10 + n)).

    n counts the updates; the first one copies. The ramp lets an early average forget its random start.
    Validation, sample grids and the checkpoint's `state_dict` use the average; the raw weights are in
    `current_model_state`, as with Lightning's WeightAveraging. Lightning averages a copy of the module, and a
    sharded module cannot be copied; this callback averages the weights or their shards, and no buffers.

    Args:
        decay: d of a long run, 0 ≤ d < 1.

    Raises:
        UserError: if decay is out of range.
    """

    def __init__(self, decay: float = 0.9999) -> None:
        if not 0 <= decay < 1:
            raise UserError(f"decay is {decay}; it must be in [0, 1) (usual: 0.9999).")
        self.decay = decay
        self.averages: list[Tensor] = []
        self._n = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start from these weights, or from the averages of the checkpoint."""
        self._step = trainer.global_step
        weights = list(pl_module.parameters())
        averages = self.averages or weights
        self.averages = [a.detach().to(w.device, copy=True) for a, w in zip(averages, weights, strict=True)]

    @torch.no_grad()
    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Update the average, if the batch ended an optimizer step."""
        if trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        decay = min(self.decay, (1 + self._n) / (10 + self._n)) if self._n else 0.0
        lerp_all(self.averages, list(pl_module.parameters()), 1 - decay)
        self._n += 1

    def on_validation_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Validate with the average."""
        self._swap(pl_module)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Continue with the raw weights."""
        self._swap(pl_module)

    @torch.no_grad()
    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the average in the module; the last checkpoint, from which a run resumes, has both."""
        for average, weight in zip(self.averages, pl_module.parameters(), strict=bool(self.averages)):
            weight.copy_(average)

    @contextmanager
    def swapped_in(self, module: LightningModule) -> Iterator[None]:
        """A context in which the module holds the averaged weights."""
        self._swap(module)
        try:
            yield
        finally:
            self._swap(module)

    def on_save_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Save the average as the weights, and the raw weights beside it."""
        checkpoint["current_model_state"] = checkpoint["state_dict"]
        # A sharded module gathers the shards that it holds
        with self.swapped_in(pl_module):
            average = trainer.strategy.lightning_module_state_dict()
            checkpoint["state_dict"] = {name: value.clone() for name, value in average.items()}
        checkpoint["averaging_state"] = {"n_averaged": torch.tensor(self._n)}

    def on_load_checkpoint(
        self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Take the average from the module, which has loaded it, and load the raw weights."""
        if "current_model_state" not in checkpoint:
            return  # a run without averages: they start from its weights
        self._n = int(checkpoint["averaging_state"]["n_averaged"])
        self.averages = [weight.detach().clone() for weight in pl_module.parameters()]
        load_full(pl_module, checkpoint["current_model_state"])

    @torch.no_grad()
    def _swap(self, module: LightningModule) -> None:
        for average, weight in zip(self.averages, module.parameters(), strict=bool(self.averages)):
            kept = average.clone()
            average.copy_(weight)
            weight.copy_(kept)


def load_full(module: LightningModule, state: dict[str, Any]) -> None:
    """Load a full state into a module whose weights may be sharded."""
    from torch.distributed.checkpoint.state_dict import StateDictOptions, set_model_state_dict

    set_model_state_dict(module, state, options=StateDictOptions(full_state_dict=True))


@contextmanager
def averaged_weights(trainer: Trainer, module: LightningModule) -> Iterator[None]:
    """A context with the module in evaluation mode, with averaged weights if the trainer keeps them."""
    training = module.training
    module.eval()
    callbacks = trainer.callbacks  # type: ignore[attr-defined]
    ema = next((c for c in callbacks if isinstance(c, EMA)), None)
    try:
        if ema is None:
            yield
        else:
            with ema.swapped_in(module):
                yield
    finally:
        module.train(training)
