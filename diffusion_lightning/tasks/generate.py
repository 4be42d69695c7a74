"""Images as the model draws them."""

from pathlib import Path

import torch

from diffusion_lightning.images import grid_columns, to_uint8
from diffusion_lightning.tasks.base import Task, at_least, save_images
from diffusion_lightning.trained import Trained


class Generate(Task):
    """A grid of samples, one class per column.

    Args:
        num_images: how many; None is 100, or one for each label asked for.
        labels: as asked for; None is all classes.
    """

    def __init__(self, num_images: int | None = None, labels: object = None) -> None:
        count = len(labels) if isinstance(labels, list) and labels else 1 if isinstance(labels, int) else 100
        self.num_images = count if num_images is None else at_least("num_images", num_images)

    def __call__(self, trained: Trained, out: Path) -> Path:
        """Draw batch by batch."""
        n, y = self.num_images, trained.y(self.num_images)
        batches = []
        for start in range(0, n, trained.batch_size):
            part = range(start, min(n, start + trained.batch_size))
            images = trained.draw(trained.noise(part), None if y is None else y[part.start : part.stop])
            batches.append(to_uint8(images).cpu())
        classes = len(trained.labels) if trained.labels else 0
        # The null label stands for no label
        labels = [trained.data.num_classes] * n if y is None else y.tolist()
        return save_images(torch.cat(batches), labels, grid_columns(n, classes), out)
