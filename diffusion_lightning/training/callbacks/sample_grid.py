"""Grids of samples during training."""

import logging
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor

from diffusion_lightning.data.base import SampleData
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.distributed import gather_in_order
from diffusion_lightning.errors import NotFinite, check_at_least
from diffusion_lightning.images import grid_columns, save_png
from diffusion_lightning.loggers import log_image
from diffusion_lightning.samples import picture, to_stored
from diffusion_lightning.sampling.generate import generate_sharded
from diffusion_lightning.sampling.labels import class_captions
from diffusion_lightning.training.callbacks.colour_watch import ColourWatch
from diffusion_lightning.training.callbacks.ema import averaged_weights
from diffusion_lightning.training.data_module import data_of

log = logging.getLogger(__name__)


class SampleGrid(Callback):
    """Draws a grid of samples with the averaged weights, from the same noise each time.

    Models with labels show one class per column. Every process draws its shard; the first writes
    `<folder>/step_<global step>.png`, gives the grid to the loggers that take images, and logs how far its
    colours are from the data's (`samples/drift`, `samples/saturated`: see `ColourWatch`). A walk that is not
    finite is left out, with a warning.

    Args:
        sampling: the run's sampler, guidance and clamp.
        folder: where the PNGs are written.
        every_n_epochs: draw after every n-th epoch and after the last; None for never.
        every_n_steps: draw after every n-th optimizer step; None for never.
        num_images: images in the grid.
        batch_size: images per batch and process.
        seed: of the noise.
        captions: name the classes in the picture.

    Raises:
        UserError: if a count is not a positive integer.
    """

    def __init__(
        self,
        sampling: Sampling,
        folder: str,
        every_n_epochs: int | None = 1,
        every_n_steps: int | None = None,
        num_images: int = 100,
        batch_size: int = 100,
        seed: int = 0,
        captions: bool = True,
    ) -> None:
        counts: dict[str, int | None] = {"num_images": num_images, "batch_size": batch_size}
        counts |= {"every_n_epochs": every_n_epochs, "every_n_steps": every_n_steps}
        for name, value in counts.items():
            if value is not None:
                check_at_least(name, value)
        check_at_least("seed", seed, 0, 2**64 - 1)
        self.sampling = sampling
        self.folder = Path(folder)
        self.every_n_epochs = every_n_epochs
        self.every_n_steps = every_n_steps
        self.num_images = num_images
        self.batch_size = batch_size
        self.seed = seed
        self.captions = captions
        self._last_step = -1
        self._watch = ColourWatch()

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """Draw on the step schedule."""
        if self.every_n_steps and trainer.global_step % self.every_n_steps == 0:
            self.draw(trainer, pl_module)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw on the epoch schedule."""
        if self.every_n_epochs and (trainer.current_epoch + 1) % self.every_n_epochs == 0:
            self.draw(trainer, pl_module)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Draw the finished model."""
        if self.every_n_epochs or self.every_n_steps:
            self.draw(trainer, pl_module)

    def state_dict(self) -> dict[str, Any]:
        """How close the colours came to the data's."""
        return {"best": self._watch.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Compare with the grids of before the run was resumed, too."""
        self._watch.best = state_dict["best"]

    def draw(self, trainer: Trainer, module: Any) -> None:
        """Draw the grid of the current step, once."""
        if self._last_step == trainer.global_step:
            return
        self._last_step = trainer.global_step
        try:
            with averaged_weights(trainer, module):
                images = self._images(trainer, module)
        except NotFinite as error:  # the run may get over it, and FiniteGuard ends one that does not
            log.warning("no samples of step %d: %s", trainer.global_step, error)
            return
        if not trainer.is_global_zero:
            return
        path = self.folder / f"step_{trainer.global_step:07d}.png"
        data = data_of(trainer)
        n, num_labels, captions = len(images), self._num_labels(data), None
        columns = grid_columns(n, num_labels)
        if self.captions and (num_labels or data.notice):
            labels = [i % num_labels for i in range(n)] if num_labels else []
            captions = class_captions(labels, columns, num_labels, data.class_names, data.notice)
        grid = picture(images, columns, captions)
        save_png(grid, path)
        colours = self._watch(images, data.train_images)
        for logger in trainer.loggers:
            log_image(logger, "samples", grid, trainer.global_step)
            logger.log_metrics(colours, trainer.global_step - 1)  # Lightning's number of the last step
        log.info("samples: %s", path)

    def _num_labels(self, data: SampleData) -> int:
        return data.num_classes if self.sampling.guidance.uses_labels else 0

    def _images(self, trainer: Trainer, module: Any) -> Tensor:
        """All images as they are stored, (N, *) on the CPU; each process draws its shard."""
        data = data_of(trainer)
        num_labels = self._num_labels(data)
        classes = range(num_labels) if num_labels else None
        batches = generate_sharded(
            self.sampling, module.denoiser, classes, self.num_images, data.shape, self.seed, self.batch_size
        )
        return torch.cat([gather_in_order(to_stored(images), count).cpu() for images, _, count, _ in batches])
