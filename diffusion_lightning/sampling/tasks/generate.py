"""Images as the model draws them."""

from collections.abc import Sequence
from pathlib import Path

import torch

from diffusion_lightning.errors import check_at_least
from diffusion_lightning.images import grid_columns, to_uint8
from diffusion_lightning.sampling.model import NUM_IMAGES
from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import Task, save_images


class Generate(Task):
    """A grid of samples, one class per column.

    Args:
        num_images: images to draw; None is 100, or one for each label asked for.
        labels: the labels asked for; None is all classes.
    """

    def __init__(self, num_images: int | None = None, labels: int | Sequence[int] | None = None) -> None:
        asked = 1 if isinstance(labels, int) else len(labels or ())
        count = num_images if num_images is not None else asked or NUM_IMAGES
        self.num_images = check_at_least("num_images", count, 1, 10_000_000)

    def evaluations(self, request: SamplingRequest) -> int:
        """A walk per batch."""
        return -(-self.num_images // request.batch_size) * request.evaluations

    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """Draw batch by batch."""
        n, y = self.num_images, request.y(self.num_images)
        batches = request.model.draw(request.sampling, y, n, request.seed, request.batch_size)
        pixels = torch.cat([to_uint8(images).cpu() for images in batches])
        # The null label stands for no label
        labels = [request.model.num_classes] * n if y is None else y.tolist()
        return save_images(pixels, labels, grid_columns(n, len(request.cycle or ())), out)
