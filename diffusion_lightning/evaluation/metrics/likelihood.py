"""Likelihood of test images, in bits per dimension."""

import torch

from diffusion_lightning.diffusion.likelihood.flow_likelihood import FlowLikelihood
from diffusion_lightning.errors import check_at_least
from diffusion_lightning.evaluation.comparison import Comparison, Metric
from diffusion_lightning.evaluation.doubt import Figure, deviation, figure


class Likelihood(Metric):
    """Bits per dimension of test images with their labels: DDPM's bound, and the probability-flow ODE's.

    A guided model has no likelihood, so a model with labels is measured at w = 1. Both are bounds on the bits
    of 8-bit pixels: DDPM's by its discretised decoder, the ODE's by uniform dequantisation. DDPM's bound uses
    the run's clamp; the ODE uses none, as its divergence ignores the clamp.

    Args:
        flow: the solver of the ODE.
        num_images: number of test images, from the first.
        steps: times of DDPM's walk; None is all timesteps.
    """

    needs_model = True

    def __init__(self, flow: FlowLikelihood, num_images: int = 100, steps: int | None = None) -> None:
        self.flow = flow
        self.num_images = check_at_least("num_images", num_images)
        self.steps = None if steps is None else check_at_least("steps", steps)

    def __call__(self, compared: Comparison) -> dict[str, Figure]:
        """bits_bound, bits_flow, each with its standard error; empty without a model, and for points."""
        if compared.likelihood is None or compared.pixels.dtype != torch.uint8:
            return {}
        images = compared.test_images
        n = min(self.num_images, len(images))
        bits = compared.likelihood(*images[torch.arange(n)], steps=self.steps, flow=self.flow)
        values: dict[str, Figure] = {}
        for name, x in {"bits_bound": bits.bound, "bits_flow": bits.flow}.items():
            values |= {name: float(x.mean()), f"{name}_error": figure(lambda: deviation(x, "image") / n**0.5)}
        return values
