"""What the network's output means: the noise ε, the clean sample x0, or the velocity v."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from diffusion_lightning.diffusion.shapes import Samples, Scale, Scales


class Parameterization(ABC):
    """Translates between the network's output and x0.

    α and σ are scalars or (B, 1, …, 1); samples are (B, *).
    """

    @abstractmethod
    def target(self, x0: Samples, eps: Samples, alpha: Scale, sigma: Scale) -> Samples:
        """What the network should have said, for the loss."""

    @abstractmethod
    def x0(self, output: Samples, x_t: Samples, alpha: Scale, sigma: Scale) -> Samples:
        """The clean samples that the network's output stands for."""

    @abstractmethod
    def x0_gain(self, alpha: Scales, sigma: Scales) -> Scales:
        """|∂x0/∂output|: by how much an error of the output becomes an error of x0."""


@dataclass(frozen=True)
class Eps(Parameterization):
    """The network predicts the noise: x0 = (x_t - σ ε)/α (Ho et al. 2020, arXiv 2006.11239, eq. 14)."""

    def target(self, x0: Samples, eps: Samples, alpha: Scale, sigma: Scale) -> Samples:
        """ε."""
        return eps

    def x0(self, output: Samples, x_t: Samples, alpha: Scale, sigma: Scale) -> Samples:
        """(x_t - σ ε)/α."""
        return (x_t - sigma * output) / alpha

    def x0_gain(self, alpha: Scales, sigma: Scales) -> Scales:
        """σ/α."""
        return sigma / alpha


@dataclass(frozen=True)
class X0(Parameterization):
    """The network predicts the clean sample (Ho et al. 2020, arXiv 2006.11239, section 3.2)."""

    def target(self, x0: Samples, eps: Samples, alpha: Scale, sigma: Scale) -> Samples:
        """x0."""
        return x0

    def x0(self, output: Samples, x_t: Samples, alpha: Scale, sigma: Scale) -> Samples:
        """The output itself, but not its memory, into which a CUDA graph writes the next one."""
        return output.clone()

    def x0_gain(self, alpha: Scales, sigma: Scales) -> Scales:
        """1."""
        return torch.ones_like(alpha)


@dataclass(frozen=True)
class V(Parameterization):
    """The network predicts the velocity v = α ε - σ x0 (Salimans & Ho 2022, arXiv 2202.00512, section 4)."""

    def target(self, x0: Samples, eps: Samples, alpha: Scale, sigma: Scale) -> Samples:
        """α ε - σ x0."""
        return alpha * eps - sigma * x0

    def x0(self, output: Samples, x_t: Samples, alpha: Scale, sigma: Scale) -> Samples:
        """α x_t - σ v."""
        return alpha * x_t - sigma * output

    def x0_gain(self, alpha: Scales, sigma: Scales) -> Scales:
        """σ."""
        return sigma
