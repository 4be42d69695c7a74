"""Likelihood of test images, in bits per dimension."""

import torch

from diffusion_lightning.diffusion.likelihood.flow_likelihood import FlowLikelihood
from diffusion_lightning.errors import check_at_least
from diffusion_lightning.evaluation.comparison import Comparison, Metric


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
        if compared.likelihood is None:
            return {}
        images = compared.test_images
        n = min(self.num_images, len(images))
        bits = compared.likelihood(*images[torch.arange(n)], steps=self.steps, flow=self.flow)
        values: dict[str, float] = {}
        for name, x in {"bits_bound": bits.bound, "bits_flow": bits.flow}.items():
            values |= {name: float(x.mean()), f"{name}_error": float(x.std(correction=0) / n**0.5)}
        return values
