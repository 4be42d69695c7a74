"""Langevin dynamics: a corrector that draws from the marginal at one fixed time, by the score alone."""

from torch import Tensor

from diffusion_lightning.diffusion.noise import Noise
from diffusion_lightning.diffusion.samplers.predictor_corrector import Corrector
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.errors import check_positive


class Langevin(Corrector):
    """One step of Langevin dynamics towards p_s, with signal-to-noise ratio r.

    x ← x + ε ∇log p_s(x) + √(2ε) z,  ε = 2 (r ‖z‖/‖∇log p_s‖)² = 2 (r σ_s)².

    Both norms of D pixels stand at their expectation, √D for the noise and √D/σ_s for the score of a
    wholly predictable ε, so that the step is each image's own and depends on the time alone. Measured
    in a batch they tie an image to its batch mates; measured in one image they make the stationary law
    p_s/ε(x) instead of p_s, and ε(x) unbounded where the score vanishes.

    Source: Song et al. 2021 (Score-Based Generative Modeling through SDEs), algorithm 5 and appendix G,
    with its α_i ≈ 1 left out; Song & Ermon 2019 (NCSN), algorithm 1, for steps in proportion to σ².

    Raises:
        UserError: unless r > 0.
    """

    def __init__(self, r: float = 0.16) -> None:
        self.r = check_positive("r", r, 0.16)

    def __call__(self, model: SamplingModel, x: Tensor, t: float, s: float, noise: Noise) -> Tensor:
        """One step at time s; t plays no part."""
        prediction = model(x, s)
        step = 2 * (self.r * prediction.sigma) ** 2
        return x + step * prediction.score + (2 * step).sqrt() * noise()
