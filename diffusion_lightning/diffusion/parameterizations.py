"""What the network's output means: the noise ε, the clean sample x0, or the velocity v."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from diffusion_lightning.diffusion.shapes import Samples, Scale, Scales
from diffusion_lightning.errors import check_positive


class Parameterization(ABC):
    """Translates between the network's output and x0.

    α and σ are scalars or (B, 1, …, 1); samples are (B, *).
    """

    def network_input(self, x_t: Samples, alpha: Scale, sigma: Scale) -> Samples:
        """What the network is shown: x_t, unless it should be scaled."""
        return x_t

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


@dataclass(frozen=True)
class EDM(Parameterization):
    """EDM's preconditioning: the network sees and predicts samples of variance 1 at every noise level.

    With n² = α² σ_data² + σ², the variance of x_t:

        x0 = (α σ_data²/n²) x_t + (σ σ_data/n) F(x_t/n)

    This is D(x; σ) = c_skip x + c_out F(c_in x) with EDM's x = x_t/α and σ = our κ = σ/α; the network is fed
    our time instead of ln(κ)/4. With σ_data = 1, F is -v. EDM's loss weight, 1/c_out², makes the loss of F
    the plain one: `objective=simple`.

    Source: Karras et al. 2022 (EDM, arXiv 2206.00364), eq. 7 and table 1.

    Args:
        sigma_data: σ_data, the standard deviation of clean samples, positive.

    Raises:
        UserError: unless σ_data > 0.
    """

    sigma_data: float = 0.5

    def __post_init__(self) -> None:
        check_positive("sigma_data", self.sigma_data, 0.5)

    def _n(self, alpha: Scale, sigma: Scale) -> Scale:
        return (alpha**2 * self.sigma_data**2 + sigma**2) ** 0.5

    def network_input(self, x_t: Samples, alpha: Scale, sigma: Scale) -> Samples:
        """x_t/n."""
        return x_t / self._n(alpha, sigma)

    def target(self, x0: Samples, eps: Samples, alpha: Scale, sigma: Scale) -> Samples:
        """(σ x0/σ_data - α σ_data ε)/n."""
        return (sigma / self.sigma_data * x0 - alpha * self.sigma_data * eps) / self._n(alpha, sigma)

    def x0(self, output: Samples, x_t: Samples, alpha: Scale, sigma: Scale) -> Samples:
        """(α σ_data²/n²) x_t + (σ σ_data/n) F."""
        n = self._n(alpha, sigma)
        return alpha * (self.sigma_data / n) ** 2 * x_t + sigma * self.sigma_data / n * output

    def x0_gain(self, alpha: Scales, sigma: Scales) -> Scales:
        """σ σ_data/n."""
        return sigma * self.sigma_data / self._n(alpha, sigma)
