"""Langevin dynamics: a corrector that draws from the marginal at one fixed time, by the score alone."""

from dataclasses import dataclass
from math import sqrt

from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.samplers.base import Sampler
from diffusion_lightning.diffusion.samplers.predictor_corrector import Corrector
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.shapes import Samples
from diffusion_lightning.errors import check_positive


@dataclass(frozen=True)
class Langevin(Corrector):
    """One step of Langevin dynamics towards p_s, with signal-to-noise ratio r.

        x ← x + ε ∇log p_s(x) + √(2ε) z,  ε = 2 (r ‖z‖/‖∇log p_s‖)² = 2 (r σ_s)²

    Both norms, over D pixels, stand at their expectation: √D for the noise and √D/σ_s for the score of a
    wholly predictable ε. So the step depends on the time alone. Measured in a batch, the norms would tie
    an image to the others of its batch. Measured in one image, they would make the stationary law p_s/ε(x)
    instead of p_s, with ε(x) unbounded where the score vanishes.

    Source: Song et al. 2021 (Score-Based Generative Modeling through SDEs, arXiv 2011.13456), algorithm 5
    and appendix G, with its α_i ≈ 1 left out; Song & Ermon 2019 (NCSN, arXiv 1907.05600), algorithm 1, for
    steps in proportion to σ².

    Args:
        r: the signal-to-noise ratio of a step; positive.

    Raises:
        UserError: unless r > 0.
    """

    r: float = 0.16

    def __post_init__(self) -> None:
        check_positive("r", self.r, 0.16)

    def __call__(
        self,
        model: SamplingModel,
        x: Samples,
        t: Level,
        s: Level,
        noise: Noise,
        predictor: Sampler | None = None,
    ) -> Samples:
        """One step at s; neither t nor the predictor plays a part."""
        step = 2 * (self.r * s.sigma) ** 2
        return x + step * model(x, s).score + sqrt(2 * step) * noise()
