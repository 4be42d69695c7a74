"""A noise level: all that the maths asks of a schedule at one time."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """How much signal and how much noise there is at time t; a walk makes one for each of its times.

    Python floats multiply float32 samples on any device without promoting or synchronising them, and cost
    a fraction of what one-element tensors do.

    Args:
        t: the time, in [0, 1].
        alpha: signal scale α = √ᾱ.
        sigma: noise scale σ = √(1 - ᾱ).
        lam: half log-SNR λ = log(α/σ).
        log_alpha_bar: log ᾱ, from which the others follow.
    """

    t: float
    alpha: float
    sigma: float
    lam: float
    log_alpha_bar: float

    @property
    def kappa(self) -> float:
        """κ = σ/α = e^-λ, the noise scale of x/α; EDM's σ (Karras et al. 2022, arXiv 2206.00364)."""
        return math.exp(-self.lam)

    def beta_from(self, s: "Level") -> float:
        """β = 1 - ᾱ_t/ᾱ_s: the variance of the noise added between the earlier time s and this one.

        Between neighbouring timesteps it is DDPM's β.
        """
        return -math.expm1(self.log_alpha_bar - s.log_alpha_bar)
