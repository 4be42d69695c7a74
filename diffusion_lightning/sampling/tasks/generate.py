"""Images as the model draws them."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from diffusion_lightning.captions import Captions
from diffusion_lightning.errors import check_at_least
from diffusion_lightning.images import grid_columns
from diffusion_lightning.samples import save_grid, to_stored
from diffusion_lightning.sampling.model import NUM_IMAGES
from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import Task, save_npz

log = logging.getLogger(__name__)


class Generate(Task):
    """A grid of samples, one class per column.

    Args:
        num_images: images to draw; None is 100, or one for each label asked for.
        labels: the labels asked for; None is all classes.
        images_per_page: images in `grid.png`, at most.
        pages: pictures `grid.png`, `grid_2.png`, …; None is as many as show all images, 0 is none.
    """

    def __init__(
        self,
        num_images: int | None = None,
        labels: int | str | Sequence[int | str] | None = None,
        images_per_page: int = 1000,
        pages: int | None = 1,
    ) -> None:
        asked = 1 if isinstance(labels, int | str) else len(labels or ())
        count = num_images if num_images is not None else asked or NUM_IMAGES
        self.num_images = check_at_least("num_images", count, 1, 10_000_000)
        self.images_per_page = check_at_least("images_per_page", images_per_page)
        self.pages = None if pages is None else check_at_least("pages", pages, 0)

    def evaluations(self, request: SamplingRequest) -> int:
        """A walk per batch."""
        return -(-self.num_images // request.batch_size) * request.evaluations

    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """Draw batch by batch."""
        n, y = self.num_images, request.y(self.num_images)
        batches = request.model.draw(request.sampling, y, n, request.seed, request.batch_size)
        stored = torch.cat([to_stored(images).cpu() for images in batches])
        # The null label stands for no label
        labels = [request.model.num_classes] * n if y is None else y.tolist()
        path = save_npz(stored, labels, out)
        numbers = torch.arange(n).split(self.images_per_page)[: self.pages]
        pictures = [self._page(request, stored, labels, page, out) for page in numbers]
        shown = sum(map(len, numbers))
        if pictures and shown < n:
            log.info(
                "%s: the first %d of %d images; task.pages=null shows all",
                ", ".join(picture.name for picture in pictures),
                shown,
                n,
            )
        return pictures[0] if pictures else path

    def _page(
        self, request: SamplingRequest, stored: Tensor, labels: Sequence[int], numbers: Tensor, out: Path
    ) -> Path:
        """Write the picture of the images with these numbers."""
        first, last = int(numbers[0]), int(numbers[-1])
        columns = grid_columns(len(numbers), len(request.cycle or ()))
        names = request.names([labels[i] for i in numbers.tolist()], len(numbers))
        title = request.title(f"Images {first} to {last} of {len(stored)}")
        captions = Captions.of_images(names, columns, title) if request.captioned else None
        number = first // self.images_per_page + 1
        name = "grid.png" if number == 1 else f"grid_{number}.png"
        return save_grid(stored[numbers], out / name, columns, captions)
