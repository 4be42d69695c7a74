"""Images as the model draws them."""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from tqdm.auto import tqdm

from diffusion_lightning.errors import check_at_least
from diffusion_lightning.images import grid_columns, to_uint8
from diffusion_lightning.sampling.generate import generate
from diffusion_lightning.sampling.model import Trained
from diffusion_lightning.sampling.tasks.base import Task, save_images


class Generate(Task):
    """A grid of samples, one class per column.

    Args:
        num_images: how many; None is 100, or one for each label asked for.
        labels: as asked for; None is all classes.
    """

    def __init__(self, num_images: int | None = None, labels: int | Sequence[int] | None = None) -> None:
        count = len(labels) if isinstance(labels, list) and labels else 1 if isinstance(labels, int) else 100
        self.num_images = (
            count if num_images is None else check_at_least("num_images", num_images, 1, 10_000_000)
        )

    def __call__(self, trained: Trained, out: Path) -> Path:
        """Draw batch by batch."""
        n, y = self.num_images, trained.y(self.num_images)
        labels = None if y is None else y.tolist()
        sampler, size = trained.sampling.sampler, trained.batch_size
        total = (sampler.steps or trained.denoiser.schedule.T) * math.ceil(n / size)
        batches = []
        with tqdm(total=total, desc="sampling", unit="step") as bar:
            for images, nfe in generate(
                trained.sampling,
                trained.denoiser,
                labels,
                range(n),
                trained.shape,
                trained.seed,
                size,
                callback=lambda *_: bar.update(),
            ):
                batches.append(to_uint8(images).cpu())
                trained.evaluations.append(nfe)
        columns = grid_columns(n, len(trained.labels or ()))
        # The null label stands for no label
        return save_images(torch.cat(batches), labels or [trained.data.num_classes] * n, columns, out)
