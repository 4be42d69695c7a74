"""How images are drawn."""

from dataclasses import dataclass

from diffusion_lightning.diffusion.clamp import Clamp
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.samplers import Sampler


@dataclass(frozen=True)
class Sampling:
    """How to draw: a sampler with the guidance and the clamp that it sees the model through."""

    sampler: Sampler
    guidance: Guidance
    clamp: Clamp
