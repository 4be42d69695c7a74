"""Strips from one image to another."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from diffusion_lightning.errors import UserError, at_least
from diffusion_lightning.interpolation import Morph, SlerpNoise, slerp
from diffusion_lightning.noise import Noise
from diffusion_lightning.tasks.base import Task, positions, save_rows
from diffusion_lightning.trained import Trained


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
            raise UserError(f"task.images has {len(images)} images; pairs are needed: [A,B] or [A,B,C,D].")
        self.pairs = at_least("task.pairs", pairs)
        self.u = positions(points)
        self.images = images
        self.refinements = at_least("task.refinements", refinements)

    def __call__(self, trained: Trained, out: Path) -> Path:
        """Draw row by row."""
        rows = self._generated(trained) if self.images is None else self._real(trained, self.images)
        return save_rows(rows, out)

    def _generated(self, trained: Trained) -> list[Tensor]:
        y, n, rows = trained.y(2 * self.pairs), len(self.u), []
        for a in range(0, 2 * self.pairs, 2):
            noise = SlerpNoise(trained.noise([a] * n), trained.noise([a + 1] * n), self.u)
            rows.append(self._row(trained, noise(), noise, y, a))
        return rows

    def _real(self, trained: Trained, which: Sequence[int | str]) -> list[Tensor]:
        x0, y = trained.images(which)
        latents = trained.invert(x0, y, self.refinements)
        n, rows = len(self.u), []
        for a in range(0, len(which), 2):
            start, end = (latents[i : i + 1].expand(n, -1, -1, -1) for i in (a, a + 1))
            rows.append(self._row(trained, slerp(start, end, self.u), trained.noise([a] * n), y, a))
        return rows

    def _row(self, trained: Trained, x: Tensor, noise: Noise, y: Tensor | None, a: int) -> Tensor:
        if y is None:
            return trained.draw(noise, x=x)
        start, end = y[a].expand(len(self.u)), y[a + 1].expand(len(self.u))
        return trained.draw(noise, start, x=x, guidance=Morph(trained.sampling.guidance, end, self.u))
