"""The model as a sampler sees it."""

from diffusion_lightning.diffusion.clamp import Clamp
from diffusion_lightning.diffusion.denoiser import PredictsX0
from diffusion_lightning.diffusion.finite import FiniteWatch
from diffusion_lightning.diffusion.guidance import Guide
from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.shapes import Labels, Samples


class SamplingModel:
    """Denoiser → guidance → clamp → Prediction, here and nowhere else.

    Args:
        denoiser: predicts x0.
        guidance: combines the predictions of the labels and of the null label.
        clamp: bounds the guided x0.
        y: labels (B,), or None for an unconditional walk.
    """

    def __init__(self, denoiser: PredictsX0, guidance: Guide, clamp: Clamp, y: Labels | None = None) -> None:
        self.denoiser = denoiser
        self.schedule = denoiser.schedule
        self.guidance = guidance
        self.clamp = clamp
        self.y = y
        self.nfe = 0
        """Evaluations so far; a guided evaluation, one batched forward of both branches, counts once."""
        self.finite = FiniteWatch()
        """Sees every x_t and every x0 before the clamp; whoever walks has it checked."""

    def __call__(self, x_t: Samples, level: Level | float) -> Prediction:
        """The prediction at x_t (B, *) and its noise level, which may be given as a time in (0, 1]."""
        self.nfe += 1
        level = level if isinstance(level, Level) else self.schedule.level(level)
        x0 = self.guidance.x0(self.denoiser, x_t, level, self.y)
        self.finite.see(level.t, x_t=x_t, x0=x0)
        return Prediction(x_t, self.clamp(x0), level)
