"""Likelihood of test images, in bits per dimension."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from tqdm.auto import tqdm

from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.diffusion.clamp import NoClamp
from diffusion_lightning.diffusion.grids import Uniform
from diffusion_lightning.diffusion.likelihood.flow_likelihood import FlowLikelihood
from diffusion_lightning.diffusion.likelihood.variational_bound import Progress, variational_bound
from diffusion_lightning.errors import check_at_least
from diffusion_lightning.evaluation.comparison import Comparison, Metric

if TYPE_CHECKING:
    from diffusion_lightning.sampling.model import Trained


class Likelihood(Metric):
    """Bits per dimension of test images with their labels: DDPM's bound, and the probability-flow ODE's.

    Guidance is no likelihood: a model that knows labels is measured at w = 1. Both are bounds on the bits
    of 8-bit pixels: DDPM's by its discretised decoder, the ODE's by uniform dequantisation. The bound sees
    the run's clamp, the ODE none, since its divergence would not.

    Args:
        num_images: the first of the test images, at most.
        steps: times of DDPM's walk; null is all timesteps.
        flow: the ODE's solver.
    """

    def __init__(self, flow: FlowLikelihood, num_images: int = 100, steps: int | None = None) -> None:
        self.flow = flow
        self.num_images = check_at_least("num_images", num_images)
        self.steps = None if steps is None else check_at_least("steps", steps)

    def __call__(self, compared: Comparison) -> dict[str, float]:
        """bits_bound, bits_flow, each with its standard error; nothing without a model."""
        trained, images = compared.trained, compared.test_images
        if trained is None:
            return {}
        n = min(self.num_images, len(images))
        schedule, batches = trained.denoiser.schedule, torch.arange(n).split(trained.batch_size)
        times = Uniform()(schedule, self.steps or schedule.T)
        total = len(batches) * (len(times) + self.flow.evaluations)
        bar = tqdm(total=total, desc="likelihood", unit="evaluation")
        # Bits are counted in the last digits
        with bar, trained.denoiser.in_float32():
            bits = [self._bits(trained, images, numbers, times, bar.update) for numbers in batches]
        values: dict[str, float] = {}
        for name, x in zip(("bits_bound", "bits_flow"), torch.cat(bits, 1), strict=True):
            values |= {name: float(x.mean()), f"{name}_error": float(x.std(correction=0) / n**0.5)}
        return values

    def _bits(
        self,
        trained: "Trained",
        images: ImageSet,
        numbers: Tensor,
        times: Sequence[float],
        progress: Progress,
    ) -> Tensor:
        """Bits of DDPM's bound and of the ODE for the images with these numbers (2, B)."""
        pixels, labels = (part.to(trained.device) for part in images[numbers])
        guidance, noise = trained.sampling.guidance, trained.noise(numbers.tolist())
        y = labels if guidance.uses_labels else None
        plain = replace(guidance, scale=float(guidance.uses_labels), interval=(0.0, 1.0), rescale=0.0)
        bound = variational_bound(trained.model(y, guidance=plain), pixels, noise, times, progress)
        unclamped = trained.model(y, guidance=plain, clamp=NoClamp())
        return torch.stack([bound.total, self.flow.bits_per_dim(unclamped, pixels, noise, progress)])
