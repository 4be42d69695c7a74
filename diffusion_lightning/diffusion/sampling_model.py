"""The model as a sampler sees it."""

from torch import Tensor

from diffusion_lightning.diffusion.clamp import Clamp
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.guidance import Guide
from diffusion_lightning.diffusion.prediction import Prediction


class SamplingModel:
    """Denoiser → guidance → clamp → Prediction, here and nowhere else.

    Args:
        denoiser: anything with `schedule` and `x0(x_t, t, y)`.
        guidance: combines the branches.
        clamp: bounds the guided x0.
        y: labels (B,), or None for an unconditional walk.
    """

    def __init__(self, denoiser: Denoiser, guidance: Guide, clamp: Clamp, y: Tensor | None = None) -> None:
        self.denoiser = denoiser
        self.schedule = denoiser.schedule
        self.guidance = guidance
        self.clamp = clamp
        self.y = y
        self.nfe = 0
        """Evaluations so far; a guided evaluation, one batched forward of both branches, counts once."""

    def __call__(self, x_t: Tensor, t: float) -> Prediction:
        """The prediction at x_t (B, C, H, W) and time t in (0, 1]."""
        self.nfe += 1
        x0 = self.clamp(self.guidance.x0(self.denoiser, x_t, t, self.y))
        return Prediction(x_t, x0, self.schedule.alpha(t), self.schedule.sigma(t))
