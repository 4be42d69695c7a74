"""Inversion: real images, their latents, and back."""

import logging
from pathlib import Path
from typing import ClassVar

import torch
from torch import Tensor

from diffusion_lightning.sampling.request import SamplingRequest
from diffusion_lightning.sampling.tasks.base import ImageRefs, Task, image_refs, save_rows, task_count

log = logging.getLogger(__name__)


class Invert(Task):
    """One row per image: the original, its latent, and what DDIM draws from that.

    Logs each image's peak signal-to-noise ratio and the norm of its latent over √D, about 1 for noise.

    Args:
        images: the originals.
        refinements: see `diffusion_lightning.invert`.
    """

    unread: ClassVar = {"num_images": "task.images"}

    def __init__(self, images: ImageRefs = (0, 1, 2, 3, 4, 5), refinements: int = 2) -> None:
        self.images = image_refs(images)
        self.refinements = task_count("refinements", refinements)

    def evaluations(self, request: SamplingRequest) -> int:
        """There and back."""
        there = request.model.evaluations_inverting(request.sampling.sampler, self.refinements)
        return there + request.evaluations

    def __call__(self, request: SamplingRequest, out: Path) -> Path:
        """There and back."""
        x0, labels = request.images(self.images)
        options = {"batch_size": len(x0), **request.options}
        latents = request.model.invert(x0, labels, refinements=self.refinements, **options)
        back = request.model.sample(labels, latents=latents, seed=request.seed, **options)
        quality = [psnr(again, image) for image, again in zip(x0, back, strict=True)]
        for name, z, decibels in zip(self.images, latents, quality, strict=True):
            norm = float(z.square().mean().sqrt())
            log.info("image %s: PSNR %.1f dB, latent norm/√D %.3f", name, decibels, norm)
        names = request.sources(self.images, labels)
        captions = request.captions(
            "Inversion: the original, its latent / 3, and the image drawn from that, with its PSNR",
            rows=[f"{name}\n{decibels:.1f} dB" for name, decibels in zip(names, quality, strict=True)],
            columns=["original", "latent", "drawn"],
        )
        return save_rows(list(torch.stack([x0, latents / 3, back], dim=1)), out, captions)


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio of images in [-1, 1], in dB."""
    return float(10 * torch.log10(4 / (a - b).square().mean()))
