"""What the model believes about noisy samples: one x0, and everything that follows from it."""

from dataclasses import dataclass

from diffusion_lightning.diffusion.level import Level
from diffusion_lightning.diffusion.shapes import Samples


@dataclass(frozen=True, eq=False)
class Prediction:
    """A prediction of the clean samples; ε, v and the score are derived, so they can never disagree.

    Invariant: x_t = α x0 + σ ε. Whoever changes x0 (guidance, a clamp) changes ε with it.

    Args:
        x_t: noisy samples (B, *).
        x0: predicted clean samples (B, *).
        level: the noise level of x_t; σ > 0.
    """

    x_t: Samples
    x0: Samples
    level: Level

    @property
    def alpha(self) -> float:
        """Signal scale α of x_t."""
        return self.level.alpha

    @property
    def sigma(self) -> float:
        """Noise scale σ of x_t."""
        return self.level.sigma

    @property
    def lam(self) -> float:
        """Half log-SNR λ = log(α/σ) of x_t."""
        return self.level.lam

    @property
    def eps(self) -> Samples:
        """Predicted noise ε = (x_t - α x0)/σ."""
        return (self.x_t - self.alpha * self.x0) / self.sigma

    @property
    def v(self) -> Samples:
        """Predicted velocity v = α ε - σ x0 (Salimans & Ho 2022, arXiv 2202.00512)."""
        return self.alpha * self.eps - self.sigma * self.x0

    @property
    def score(self) -> Samples:
        """Score ∇ log p(x_t) = -ε/σ (Song et al. 2021, arXiv 2011.13456)."""
        return -self.eps / self.sigma
