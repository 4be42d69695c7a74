"""What the model believes about a noisy image: one x0, and everything that follows from it."""

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Prediction:
    """A prediction of the clean image; ε, v and the score are derived, so they can never disagree.

    Invariant: x_t = α x0 + σ ε. Whoever changes x0 (guidance, a clamp) changes ε with it.

    Args:
        x_t: noisy images (B, C, H, W).
        x0: predicted clean images (B, C, H, W).
        alpha: signal scale, a scalar or (B, 1, 1, 1).
        sigma: noise scale, likewise; positive.
    """

    x_t: Tensor
    x0: Tensor
    alpha: Tensor
    sigma: Tensor

    @property
    def eps(self) -> Tensor:
        """Predicted noise ε = (x_t - α x0)/σ."""
        return (self.x_t - self.alpha * self.x0) / self.sigma

    @property
    def lam(self) -> Tensor:
        """Half log-SNR λ = log(α/σ) at which the prediction was made."""
        return torch.log(self.alpha / self.sigma)

    @property
    def v(self) -> Tensor:
        """Predicted velocity v = α ε - σ x0 (Salimans & Ho 2022)."""
        return self.alpha * self.eps - self.sigma * self.x0

    @property
    def score(self) -> Tensor:
        """Score ∇ log p(x_t) = -ε/σ (Song et al. 2021)."""
        return -self.eps / self.sigma
