"""Real images changed: inpainting, image to image, and there and back again."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from diffusion_lightning.clamp import Known
from diffusion_lightning.errors import UserError
from diffusion_lightning.tasks.base import Task, save_rows, task_count
from diffusion_lightning.trained import Trained

log = logging.getLogger(__name__)

Images = Sequence[int | str]
"""Image files, or numbers of test images."""


class Inpaint(Task):
    """One row an image: the original, the original with its hole in grey, and fillings of the hole.

    Known pixels are exact. Best with `sampler=repaint`, which this task's YAML chooses.

    Source: Lugmayr et al. 2022 (RePaint), algorithm 1.

    Args:
        images: what is repaired.
        hole: unknown rectangle, as [top, left, bottom, right] in fractions of the side.
        mask: an image file of the model's size instead, white where pixels are unknown.
        samples: fillings of each image.
    """

    def __init__(
        self,
        images: Images = (0, 1, 2, 3, 4, 5),
        hole: Sequence[float] = (0.0, 0.5, 1.0, 1.0),
        mask: str | None = None,
        samples: int = 6,
    ) -> None:
        top, left, bottom, right = hole if len(hole) == 4 else (1, 1, 0, 0)
        if not (0 <= top < bottom <= 1 and 0 <= left < right <= 1):
            raise UserError(
                f"task.hole is {list(hole)}; it must be [top,left,bottom,right] in fractions of the "
                "side, such as [0.25,0.25,0.75,0.75]."
            )
        self.images, self.hole, self.mask = images, hole, mask
        self.samples = task_count("samples", samples)

    def __call__(self, trained: Trained, out: Path) -> Path:
        """Fill all holes in one walk."""
        x0, y = trained.images(self.images)
        hole, n = self._hole(trained), self.samples
        known = x0.repeat_interleave(n, dim=0)
        labels = None if y is None else y.repeat_interleave(n)
        clamp = Known(trained.sampling.clamp, known, hole)
        filled = trained.draw(trained.noise(range(len(known))), labels, clamp=clamp)
        shown = x0, x0.masked_fill(hole, 0.0), *filled.view(-1, n, *trained.shape).unbind(1)
        return save_rows(list(torch.stack(shown, dim=1)), out)

    def _hole(self, trained: Trained) -> Tensor:
        """Where pixels are unknown, bool (1, H, W)."""
        from diffusion_lightning.data.image_folder import read_exact

        size = trained.shape[-1]
        if self.mask is not None:
            hole = read_exact(Path(self.mask), 1, size) > 127
        else:
            top, left, bottom, right = (round(edge * size) for edge in self.hole)
            hole = torch.zeros(1, size, size, dtype=torch.bool)
            hole[:, top:bottom, left:right] = True
        if not hole.any():
            raise UserError("the hole has no pixel; widen task.hole, or paint task.mask white somewhere.")
        return hole.to(trained.device)


class ImageToImage(Task):
    """One row an image: the original, then what the model makes of it from ever noisier starts.

    x_t = α x0 + σ ε at t_start, then the sampler's walk from there.

    Source: Meng et al. 2022 (SDEdit), algorithm 2.

    Args:
        images: where from.
        t_starts: how far into the noise, each in (0, 1].
    """

    def __init__(
        self, images: Images = (0, 1, 2, 3, 4, 5), t_starts: Sequence[float] = (0.2, 0.4, 0.5, 0.6, 0.8)
    ) -> None:
        bad = [t for t in t_starts if not 0 < t <= 1]
        if bad or not t_starts:
            raise UserError(f"task.t_starts is {list(t_starts)}; all must be in (0, 1], such as [0.3,0.6].")
        self.images, self.t_starts = images, t_starts

    def __call__(self, trained: Trained, out: Path) -> Path:
        """Draw one column at a time."""
        x0, y = trained.images(self.images)
        schedule, columns = trained.denoiser.schedule, [x0]
        for t in self.t_starts:
            noise = trained.noise(range(len(x0)))
            x_t = schedule.alpha(t) * x0 + schedule.sigma(t) * noise()
            columns.append(trained.draw(noise, y, x=x_t, t_start=float(t)))
        return save_rows(list(torch.stack(columns, dim=1)), out)


class Invert(Task):
    """One row an image: the original, its latent, and what DDIM makes of that.

    Logs each image's peak signal-to-noise ratio and the norm of its latent (noise has about 1).

    Args:
        images: what is inverted.
        refinements: see `interpolation.invert`.
    """

    def __init__(self, images: Images = (0, 1, 2, 3, 4, 5), refinements: int = 2) -> None:
        self.images = images
        self.refinements = task_count("refinements", refinements)

    def __call__(self, trained: Trained, out: Path) -> Path:
        """There and back."""
        x0, y = trained.images(self.images)
        latent = trained.invert(x0, y, self.refinements)
        back = trained.draw(trained.noise(range(len(x0))), y, x=latent)
        for name, image, z, again in zip(self.images, x0, latent, back, strict=True):
            norm = float(z.square().mean().sqrt())
            log.info("image %s: PSNR %.1f dB, latent norm/√D %.3f", name, psnr(again, image), norm)
        return save_rows(list(torch.stack([x0, latent / 3, back], dim=1)), out)


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio of images in [-1, 1], in dB."""
    return float(10 * torch.log10(4 / (a - b).square().mean()))
