"""What the network's output means: the noise ε, the image x0, or the velocity v."""

from abc import ABC, abstractmethod

from torch import Tensor


class Parameterization(ABC):
    """Translates between the network's output and x0.

    α and σ are scalars or (B, 1, 1, 1); images are (B, C, H, W).
    """

    @abstractmethod
    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """What the network should have said, for the loss."""

    @abstractmethod
    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The clean image that the network's output stands for."""

    @abstractmethod
    def x0_gain(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """|∂x0/∂output|: by how much an error of the output becomes an error of x0."""


class Eps(Parameterization):
    """The network predicts the noise: x0 = (x_t - σ ε)/α (Ho et al. 2020, eq. 14)."""

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """ε."""
        return eps

    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """(x_t - σ ε)/α."""
        return (x_t - sigma * output) / alpha

    def x0_gain(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """σ/α."""
        return sigma / alpha


class X0(Parameterization):
    """The network predicts the clean image (Ho et al. 2020, section 3.2)."""

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """x0."""
        return x0

    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """The output itself, but not its memory, into which a CUDA graph writes the next one."""
        return output.clone()

    def x0_gain(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """1."""
        return alpha.new_ones(alpha.shape)


class V(Parameterization):
    """The network predicts the velocity v = α ε - σ x0 (Salimans & Ho 2022, section 4)."""

    def target(self, x0: Tensor, eps: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """α ε - σ x0."""
        return alpha * eps - sigma * x0

    def x0(self, output: Tensor, x_t: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """α x_t - σ v."""
        return alpha * x_t - sigma * output

    def x0_gain(self, alpha: Tensor, sigma: Tensor) -> Tensor:
        """σ."""
        return sigma
