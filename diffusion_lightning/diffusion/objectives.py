"""Training objectives: how much an error at time t counts."""

from abc import ABC, abstractmethod

from torch import Tensor

from diffusion_lightning.diffusion.parameterizations import Parameterization
from diffusion_lightning.errors import check_positive


class Objective(ABC):
    """A weighted squared error between the network's output and its target."""

    def __call__(
        self, output: Tensor, target: Tensor, alpha: Tensor, sigma: Tensor, p: Parameterization
    ) -> Tensor:
        """Loss of each image, (B,): weight(t) · mean over pixels of (output - target)².

        Args:
            output, target: (B, C, H, W).
            alpha, sigma: (B, 1, 1, 1).
            p: what output and target stand for.
        """
        error = (output.float() - target).square().flatten(1).mean(1)
        return self.weight(alpha, sigma, p).flatten() * error

    @abstractmethod
    def weight(self, alpha: Tensor, sigma: Tensor, p: Parameterization) -> Tensor:
        """The weight of the output's squared error, in the shape of alpha."""


class SimpleMSE(Objective):
    """L_simple: every timestep counts the same (Ho et al. 2020, eq. 14)."""

    def weight(self, alpha: Tensor, sigma: Tensor, p: Parameterization) -> Tensor:
        """1."""
        return alpha.new_ones(alpha.shape)


class MinSNR(Objective):
    """Min-SNR-γ: the error of x0 weighs min(SNR, γ), whatever the network predicts.

    With SNR = α²/σ² this is min(SNR, γ)/SNR for ε, min(SNR, γ) for x0, min(SNR, γ)/(SNR + 1) for v.

    Source: Hang et al. 2023 (Efficient Diffusion Training via Min-SNR Weighting Strategy), section 3.4.

    Raises:
        UserError: unless γ > 0.
    """

    def __init__(self, gamma: float = 5.0) -> None:
        self.gamma = check_positive("gamma", gamma, 5)

    def weight(self, alpha: Tensor, sigma: Tensor, p: Parameterization) -> Tensor:
        """min(SNR, γ) · (∂x0/∂output)²."""
        snr = (alpha / sigma).square()
        return snr.clamp(max=self.gamma) * p.x0_gain(alpha, sigma).square()
