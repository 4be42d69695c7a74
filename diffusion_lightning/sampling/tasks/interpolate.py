"""Strips from one image to another."""

from collections.abc import Sequence
from pathlib import Path

from diffusion_lightning.diffusion.interpolation import LabelMorph, SlerpNoise, slerp
from diffusion_lightning.errors import UserError
from diffusion_lightning.sampling.model import Trained
from diffusion_lightning.sampling.tasks.base import Task, positions, save_rows, task_count


class Interpolate(Task):
    """One row a pair, from A (left) to B (right), along the arc between their latents.

    Generated pairs are images (0, 1), (2, 3), … of the seed, and the row's ends are those images. Real
    pairs are inverted first. Where A and B have different labels, x0 goes from one to the other.

    Source: Song, Meng & Ermon 2021 (DDIM), section 5.3.

    Args:
        pairs: rows, of generated images.
        points: images in a row, the ends included.
        images: files, or numbers of test images, A and B in turn; None generates.
        refinements: of the inversion.
    """

    def __init__(
        self,
        pairs: int = 5,
        points: int = 9,
        images: Sequence[int | str] | None = None,
        refinements: int = 2,
    ) -> None:
        if images is not None and (len(images) < 2 or len(images) % 2):
            raise UserError(f"images has {len(images)} images; pairs are needed: [A,B] or [A,B,C,D].")
        self.pairs = task_count("pairs", pairs)
        self.u = positions(points)
        self.images = images
        self.refinements = task_count("refinements", refinements)

    def __call__(self, trained: Trained, out: Path) -> Path:
        """Draw all rows in one walk."""
        count = 2 * self.pairs if self.images is None else len(self.images)
        a = [i for i in range(0, count, 2) for _ in self.u]
        b = [i + 1 for i in a]
        u = self.u.repeat(count // 2)
        noise = SlerpNoise(trained.noise(a), trained.noise(b), u)
        if self.images is None:
            x, y = noise(), trained.y(count)
        else:
            x0, y = trained.images(self.images)
            latents = trained.invert(x0, y, self.refinements)
            x = slerp(latents[a], latents[b], u)
        if y is None:
            strips = trained.draw(noise, x=x)
        else:
            strips = trained.draw(noise, y[a], x=x, guidance=LabelMorph(trained.sampling.guidance, y[b], u))
        return save_rows(strips.split(len(self.u)), out)
