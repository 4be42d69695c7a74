"""How likely a model finds images, in bits per dimension."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from diffusion_lightning.compat import uncompiled
from diffusion_lightning.diffusion.clamp import Clamp, NoClamp
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.likelihood.flow_likelihood import FlowLikelihood
from diffusion_lightning.diffusion.likelihood.variational_bound import even_times, variational_bound
from diffusion_lightning.diffusion.noise import ImageNoise
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.errors import NotFinite, check_counts
from diffusion_lightning.progress import progress as show


class Bits(NamedTuple):
    """Upper bounds on -log₂ P(pixels)/D of each image, in bits per dimension, float64 on the CPU.

    Attributes:
        bound: (N,), DDPM's variational bound.
        flow: (N,), that of the probability-flow ODE with uniform dequantisation.
    """

    bound: Tensor
    flow: Tensor


def bits_per_dim(
    denoiser: Denoiser,
    pixels: Tensor,
    y: Tensor | None,
    p_uncond: float,
    clamp: Clamp,
    flow: FlowLikelihood,
    steps: int | None = None,
    seed: int = 0,
    batch_size: int = 50,
    progress: bool = True,
) -> Bits:
    """Bits of uint8 images (N, C, H, W) with labels y (N,), in batches; the noise of image k is keyed by k.

    Guidance is no likelihood: w is 1 with labels and 0 without. The bound sees the clamp; the ODE does not,
    since its divergence would not.

    Raises:
        NotFinite: if a prediction or the likelihood of an image overflows.
    """
    check_counts(batch_size=batch_size, steps=1 if steps is None else steps)
    guidance = Guidance(p_uncond, 0.0 if y is None else 1.0)
    times = even_times(steps or denoiser.schedule.T)
    batches = torch.arange(len(pixels)).split(batch_size)
    total = len(batches) * (len(times) + flow.evaluations)

    def bits(numbers: Sequence[int], progressed: Callable[[], object]) -> Tensor:
        device = next(denoiser.parameters()).device
        images, labels = pixels[numbers].to(device), None if y is None else y[numbers]
        noise = ImageNoise(seed, numbers, images.shape[1:], device)
        model = SamplingModel(denoiser, guidance, clamp, labels)
        bound = variational_bound(model, images, noise, times, progressed)
        unclamped = SamplingModel(denoiser, guidance, NoClamp(), labels)
        return torch.stack([bound.total, flow.bits_per_dim(unclamped, images, noise, progressed)])

    # Bits are counted in the last digits, and a trace is a second gradient
    shown, network = show(total, "likelihood", "evaluation", progress), denoiser.network
    with shown as bar, denoiser.in_float32(), uncompiled(network):
        found = torch.cat([bits(numbers.tolist(), bar.update) for numbers in batches], dim=1)
    if not found.isfinite().all():
        bad = int(found.isfinite().all(0).logical_not().sum())
        raise NotFinite(f"the likelihood of {bad} of {len(pixels)} images is not finite.")
    return Bits(*found)
