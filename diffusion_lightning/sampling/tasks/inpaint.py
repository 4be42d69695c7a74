"""Inpainting: real images with a hole filled."""

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from diffusion_lightning.errors import UserError
from diffusion_lightning.samples import is_image
from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import ImageRefs, Task, image_refs, save_rows, task_count


class Inpaint(Task):
    """One row per image: the original, the original with its hole in grey, and fillings of the hole.

    Known pixels are exact. Best with `sampler=repaint`, which this task's YAML chooses.

    Source: Lugmayr et al. 2022 (RePaint), algorithm 1.

    Args:
        images: the originals.
        hole: the unknown rectangle, [top, left, bottom, right] in fractions of the sides.
        mask: an image file of the model's size in place of the hole, white where pixels are unknown.
        samples: fillings of each image.
    """

    unread: ClassVar = {"num_images": "task.images and task.samples"}

    def __init__(
        self,
        images: ImageRefs = (0, 1, 2, 3, 4, 5),
        hole: Sequence[float] = (0.0, 0.5, 1.0, 1.0),
        mask: str | None = None,
        samples: int = 6,
    ) -> None:
        top, left, bottom, right = hole if len(hole) == 4 else (1, 1, 0, 0)
        if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
            raise UserError(
                f"hole is {list(hole)}; it must be [top,left,bottom,right] in fractions of the "
                "side, such as [0.25,0.25,0.75,0.75]."
            )
        self.images, self.hole, self.mask = image_refs(images), hole, mask
        self.samples = task_count("samples", samples)

    def evaluations(self, request: SamplingRequest) -> int:
        """One walk."""
        return request.evaluations

    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """Fill all holes in one walk."""
        if not is_image(request.model.shape):
            raise UserError(
                "a hole is a part of an image, and this model draws points: choose another task=."
            )
        x0, labels = request.images(self.images)
        hole, n = self._hole(request.model.shape[1:]).to(x0.device), self.samples
        filled = request.model.inpaint(x0, hole, labels, samples=n, seed=request.seed, **request.options)
        shown = x0, x0.masked_fill(hole, 0.0), *filled.unbind(1)
        captions = request.captions(
            "Inpainting: the original, its hole in grey, and fillings of the hole",
            rows=request.sources(self.images, request.model.y(labels, len(x0), request.sampling.guidance)),
            columns=["original", "hole", *map(str, range(1, n + 1))],
        )
        return save_rows(list(torch.stack(shown, dim=1)), out, captions)

    def _hole(self, size: Sequence[int]) -> Tensor:
        """Where pixels are unknown, bool (1, H, W)."""
        from diffusion_lightning.data.image_files import read_exact

        if self.mask is not None:
            hole = read_exact(Path(self.mask), 1, size) > 127
        else:
            sides = (*size, *size)
            top, left, bottom, right = (
                round(edge * side) for edge, side in zip(self.hole, sides, strict=True)
            )
            hole = torch.zeros(1, *size, dtype=torch.bool)
            hole[:, top:bottom, left:right] = True
        if not hole.any():
            raise UserError("the hole has no pixel; widen it, or paint its mask white somewhere.")
        return hole
