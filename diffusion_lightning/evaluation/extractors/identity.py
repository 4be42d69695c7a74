"""The samples as their own features."""

from torch import Tensor, nn


class Identity(nn.Module):
    """A point's coordinates are its features: FID is then the Fréchet distance of the points themselves."""

    def forward(self, x: Tensor) -> Tensor:
        """Features (B, D), float32, of samples (B, *) as they are stored."""
        return x.flatten(1).float()
