"""Draws images in batches; image k depends on (seed, k) alone."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.noise import ImageNoise
from diffusion_lightning.diffusion.samplers.base import WalkCallback
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.distributed import shard, true_anywhere, world_size
from diffusion_lightning.errors import NotFinite


def generate_sharded(
    sampling: Sampling,
    denoiser: Denoiser,
    classes: Sequence[int] | None,
    num_images: int,
    shape: Sequence[int],
    seed: int,
    batch_size: int,
) -> Iterator[tuple[Tensor, Tensor, int, int]]:
    """Yield (images (B, C, H, W) of this process, labels (B,), number of all processes' images, evaluations).

    Image k has the class `classes[k mod K]`; without classes the images are unconditional and have the null
    label. All batches have the same size, the last one filled up, so that every process runs the same
    kernels. `distributed.gather_in_order` joins the shards.

    Raises:
        NotFinite: in every process, if the walk of one overflows.
    """
    size = min(batch_size, -(-num_images // world_size()))
    step = size * world_size()
    for start in range(0, num_images, step):
        block = range(start, min(start + step, num_images))
        mine = shard(block, size)
        labels = None if classes is None else [classes[k % len(classes)] for k in mine]
        images, nfe = _next_together(generate(sampling, denoiser, labels, mine, shape, seed, size))
        y = torch.tensor(labels or [denoiser.num_classes] * size)
        yield images, y, len(block), nfe


def _next_together(walks: Iterator[tuple[Tensor, int]]) -> tuple[Tensor, int]:
    """The next result; what fails in one process fails in all, or the others would wait for it for ever."""
    error = NotFinite("the walk of another process is not finite any more.")
    result = None
    try:
        result = next(walks)
    except NotFinite as mine:
        error = mine
    failed = true_anywhere(result is None)
    if result is None or failed:
        raise error
    return result


def generate(
    sampling: Sampling,
    denoiser: Denoiser,
    labels: Sequence[int] | None,
    indices: Sequence[int],
    shape: Sequence[int],
    seed: int,
    batch_size: int,
    callback: WalkCallback | None = None,
    latents: Tensor | None = None,
) -> Iterator[tuple[Tensor, int]]:
    """Yield (images (B, C, H, W), evaluations of the network) batch by batch, in the given order.

    Args:
        sampling: sampler, guidance and clamp.
        denoiser: in evaluation mode, on its device.
        labels: one label per index, or None for unconditional images.
        indices: the images' numbers, which with the seed key their noise.
        shape: (C, H, W).
        seed: at least 0.
        batch_size: images per walk; changes no image.
        callback: passed to the sampler.
        latents: (N, C, H, W), one per index, in place of the first noise of each image.
    """
    device = next(denoiser.parameters()).device
    for start in range(0, len(indices), batch_size):
        part = slice(start, start + batch_size)
        noise = ImageNoise(seed, indices[part], shape, device)
        y = None if labels is None else torch.tensor(labels[part], device=device)
        model = SamplingModel(denoiser, sampling.guidance, sampling.clamp, y)
        # The first noise is drawn in any case, so that no later step sees it again
        x = noise()
        x = x if latents is None else latents[part]
        with denoiser.casting_once():
            images = sampling.sampler(model, x, noise=noise, callback=callback)
        yield images, model.nfe
