"""Strips from one image to another."""

from pathlib import Path
from typing import ClassVar

from diffusion_lightning.errors import UserError, check_at_least
from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import ImageRefs, Task, image_refs, save_rows, task_count


class Interpolate(Task):
    """One row per pair, from A (left) to B (right), along the arc between their latents.

    Drawn pairs are images (0, 1), (2, 3), … of the seed, which are the ends of the rows; or, with another
    seed to go to, images (0, 0), (1, 1), … of the two. Real pairs are inverted first. Where A and B have
    different labels, x0 goes from one label's to the other's.

    Source: Song, Meng & Ermon 2021 (DDIM), section 5.3.

    Args:
        pairs: rows of drawn images.
        points: images in a row, the ends included.
        images: files, or numbers of test images, A and B in turn; None draws them.
        refinements: of the inversion.
        to_seed: of the drawn images B, if not that of the images A.
    """

    unread: ClassVar = {"num_images": "task.pairs"}

    def __init__(
        self,
        pairs: int = 5,
        points: int = 9,
        images: ImageRefs | None = None,
        refinements: int = 2,
        to_seed: int | None = None,
    ) -> None:
        self.images = None if images is None else image_refs(images)
        if self.images is not None and len(self.images) % 2:
            raise UserError(f"images has {len(self.images)} images; pairs are needed: [A,B] or [A,B,C,D].")
        self.pairs = task_count("pairs", pairs)
        self.points = task_count("points", points, 2)
        self.refinements = task_count("refinements", refinements)
        self.to_seed = to_seed if to_seed is None else check_at_least("to_seed", to_seed, 0, 2**64 - 1)
        if self.images is not None and to_seed is not None:
            raise UserError("to_seed leads to a drawn image, but images are given; leave it out.")

    def evaluations(self, request: SamplingRequest) -> int:
        """One walk, and the inversion of real images."""
        if self.images is None:
            return request.evaluations
        sampler = request.sampling.sampler
        return request.evaluations + request.model.evaluations_inverting(sampler, self.refinements)

    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """Draw all rows in one walk."""
        x0, labels = (None, request.labels) if self.images is None else request.images(self.images)
        strips = request.model.interpolate(
            x0,
            pairs=self.pairs,
            points=self.points,
            labels=labels,
            seed=request.seed,
            to_seed=self.to_seed,
            refinements=self.refinements,
            **request.options,
        )
        if self.images is None:
            names = self._drawn(request)
        else:
            names = [name.replace("\n", " ") for name in request.sources(self.images, labels)]
        captions = request.captions(
            "From A (u=0) to B (u=1) along the arc between their latents",
            rows=[f"{a}\nto {b}" for a, b in zip(names[::2], names[1::2], strict=True)],
            columns=["A", *(f"u={i / (self.points - 1):.3g}" for i in range(1, self.points - 1)), "B"],
        )
        return save_rows(list(strips), out, captions)

    def _drawn(self, request: SamplingRequest) -> list[str]:
        """What pictures call the drawn images A and B, in turn."""
        count = 2 * self.pairs
        if self.to_seed is None:
            return request.drawn(range(count), request.y(count))
        names = request.drawn([i // 2 for i in range(count)], request.y(count))
        seeds = request.seed, self.to_seed
        return [f"seed {seeds[i % 2]}, {name}" for i, name in enumerate(names)]
