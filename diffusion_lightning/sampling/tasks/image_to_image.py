"""Image to image: walks that begin at real images."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch

from diffusion_lightning.diffusion.level import check_start
from diffusion_lightning.errors import UserError
from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import ImageRefs, Task, image_refs, save_rows


class ImageToImage(Task):
    """One row per image: the original, then what the model makes of it from ever noisier starts.

    x_t = α x0 + σ ε at t_start, then the sampler's walk from there.

    Source: Meng et al. 2022 (SDEdit), algorithm 2.

    Args:
        images: the originals.
        t_starts: times at which the walks begin, each in (0, 1].
    """

    unread: ClassVar = {"num_images": "task.images"}

    def __init__(
        self, images: ImageRefs = (0, 1, 2, 3, 4, 5), t_starts: Sequence[float] = (0.2, 0.4, 0.5, 0.6, 0.8)
    ) -> None:
        if not t_starts:
            raise UserError("t_starts is empty; give at least one time in (0, 1], such as [0.3,0.6].")
        self.images, self.t_starts = image_refs(images), [check_start(t, "t_starts") for t in t_starts]

    def evaluations(self, request: SamplingRequest) -> int:
        """A walk per start."""
        return len(self.t_starts) * request.evaluations

    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """Draw one column at a time."""
        x0, labels = request.images(self.images)
        y = request.model.y(labels, len(x0), request.sampling.guidance)
        columns = [x0]
        for t in self.t_starts:
            columns.append(request.model.image_to_image(x0, t, labels, seed=request.seed, **request.options))
        captions = request.captions(
            "Image to image: the original, and walks from x_t = alpha x0 + sigma eps at a time t",
            rows=request.sources(self.images, y),
            columns=["original", *(f"t={t:g}" for t in self.t_starts)],
        )
        return save_rows(list(torch.stack(columns, dim=1)), out, captions)
