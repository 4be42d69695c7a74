"""Inversion: real images, their latents, and back."""

import logging
from pathlib import Path

import torch
from torch import Tensor

from diffusion_lightning.sampling.model import Trained
from diffusion_lightning.sampling.tasks.base import ImageRefs, Task, save_rows, task_count

log = logging.getLogger(__name__)


class Invert(Task):
    """One row an image: the original, its latent, and what DDIM makes of that.

    Logs each image's peak signal-to-noise ratio and the norm of its latent (noise has about 1).

    Args:
        images: what is inverted.
        refinements: see `interpolation.invert`.
    """

    def __init__(self, images: ImageRefs = (0, 1, 2, 3, 4, 5), refinements: int = 2) -> None:
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
