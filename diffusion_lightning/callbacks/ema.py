"""Exponential moving average of the weights."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EMAWeightAveraging
from torch import Tensor

from diffusion_lightning.errors import UserError


def ramped_average(decay: float) -> Callable[[list[Tensor], list[Tensor], Tensor], None]:
    """avg ← d avg + (1 - d) weights with d = min(decay, (1 + n)/(10 + n)) after n updates.

    The ramp lets an early average forget its random start.
    """

    @torch.no_grad()
    def update(averages: list[Tensor], weights: list[Tensor], num_averaged: Tensor) -> None:
        n = float(num_averaged)
        torch._foreach_lerp_(averages, weights, 1 - min(decay, (1 + n) / (10 + n)))

    return update


class EMA(EMAWeightAveraging):
    """Lightning's EMA with a decay ramp; buffers are copied, never averaged.

    Validation and the best checkpoint's `state_dict` use the average; the raw weights are kept in
    the checkpoint's `current_model_state`.

    Raises:
        UserError: unless 0 ≤ decay < 1.
    """

    def __init__(self, decay: float = 0.9999) -> None:
        if not 0 <= decay < 1:
            raise UserError(f"callbacks.ema.decay is {decay}; it must be in [0, 1) (usual: 0.9999).")
        super().__init__(use_buffers=False, decay=decay)
        # The base class fixes a constant decay; AveragedModel takes one averaging rule only.
        self._kwargs = {"multi_avg_fn": ramped_average(decay)}

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Keep the raw weights for the last checkpoint, from which a longer run goes on."""

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Leave the averaged weights in the module."""
        super().on_train_end(trainer, pl_module)

    @contextmanager
    def swapped_in(self, module: LightningModule) -> Iterator[None]:
        """The module holds the averaged weights inside this context."""
        self._swap_models(module)
        try:
            yield
        finally:
            self._swap_models(module)


@contextmanager
def averaged_weights(trainer: Trainer, module: LightningModule) -> Iterator[None]:
    """The module in evaluation mode, with averaged weights if the trainer keeps them."""
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
