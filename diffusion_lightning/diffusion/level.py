"""A noise level: all that the maths asks of a schedule at one time."""

import math
from dataclasses import dataclass

from diffusion_lightning.errors import UserError

SAME_TIME = 1e-9
"""Times no further apart are one time: what is typed as 0.2 may be 0.19999999999999998 where it is computed.
A thousandth of the shortest timestep, 1/T of T = 1,000,000."""


def in_interval(t: float, low: float, high: float) -> bool:
    """Whether low ≤ t ≤ high, where both bounds may be off by a rounding."""
    return low - SAME_TIME <= t <= high + SAME_TIME


def check_start(t: float, name: str = "t_start") -> float:
    """The time at which a walk may start, in (0, 1].

    Raises:
        UserError: if it is out of range by more than a rounding.
    """
    if not (t > 0 and in_interval(t, 0, 1)):
        raise UserError(f"{name} is {t}; it must be in (0, 1].")
    return min(float(t), 1.0)


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
