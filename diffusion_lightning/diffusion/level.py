"""A noise level: all that the maths asks of a schedule at one time."""

from dataclasses import dataclass

import torch

from diffusion_lightning.diffusion.shapes import Scalar


@dataclass(frozen=True)
class Level:
    """How much signal and how much noise there is at time t; a walk makes one for each of its times.

    Args:
        t: the time, in [0, 1].
        alpha: signal scale α = √ᾱ.
        sigma: noise scale σ = √(1 - ᾱ).
        lam: half log-SNR λ = log(α/σ).
        log_alpha_bar: log ᾱ, from which the others follow.
    """

    t: float
    alpha: Scalar
    sigma: Scalar
    lam: Scalar
    log_alpha_bar: Scalar

    @property
    def kappa(self) -> Scalar:
        """κ = σ/α = e^-λ, the noise scale of x/α; EDM's σ (Karras et al. 2022, arXiv 2206.00364)."""
        return torch.exp(-self.lam)

    def beta_from(self, s: "Level") -> Scalar:
        """β = 1 - ᾱ_t/ᾱ_s: the variance of the noise added between the earlier time s and this one.

        Between neighbouring timesteps it is DDPM's β.
        """
        return -torch.expm1(self.log_alpha_bar - s.log_alpha_bar)
