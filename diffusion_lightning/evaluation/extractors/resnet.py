"""A small residual network, for colour images where Inception's weights are not at hand."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import gelu, max_pool2d, unfold

from diffusion_lightning.evaluation.extractors.loading import check_channels, check_sizes, load_weights
from diffusion_lightning.images import from_uint8

PATCH = 2
"""The side of the patches that the first layer whitens, in pixels."""

LOGIT_SCALE = 1 / 8
"""What the last layer's output is multiplied by, so that one learning rate suits it and the stages."""


class ResNet(nn.Module):
    """A whitening layer and residual stages, each at half the resolution; the features are their maximum.

    Source: He et al. 2015 (Deep Residual Learning, arXiv 1512.03385); the whitening layer is that of Jordan
    2024 (94% on CIFAR-10 in 3.29 Seconds on a Single GPU, arXiv 2404.00498).

    Args:
        image_channels: C.
        num_classes: K.
        widths: channels of each stage; the last is D.
        weights: a safetensors file, or the name of one that comes with the package; null is untrained.
        sha256: of that file.

    Raises:
        UserError: if the file is missing, does not have this hash, or does not fit.
    """

    def __init__(
        self,
        image_channels: int,
        num_classes: int,
        widths: Sequence[int],
        weights: str | None = None,
        sha256: str | None = None,
    ) -> None:
        super().__init__()
        check_sizes(image_channels, num_classes, widths)
        self.image_channels = image_channels
        directions = image_channels * PATCH**2
        self.whitening = nn.Conv2d(image_channels, 2 * directions, PATCH).requires_grad_(False)
        ins = [2 * directions, *widths[:-1]]
        self.stages = nn.Sequential(*(ResidualStage(i, o) for i, o in zip(ins, widths, strict=True)))
        self.head = nn.Linear(widths[-1], num_classes)
        if weights is not None:
            load_weights(self, weights, sha256)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, D) and logits (B, K) of uint8 images (B, C, H, W).

        In evaluation both are means over the image and its mirror image.
        """
        check_channels(pixels, self.image_channels)
        x = from_uint8(pixels)
        features = self._features(x) if self.training else (self._features(x) + self._features(x.flip(3))) / 2
        return features, LOGIT_SCALE * self.head(features)

    def _features(self, x: Tensor) -> Tensor:
        """Images (B, C, H, W) in [-1, 1] to (B, D)."""
        return self.stages(gelu(self.whitening(x))).amax((2, 3))

    @torch.no_grad()
    def whiten(self, pixels: Tensor, eps: float = 5e-4) -> None:
        """Set the first layer so that the patches of uint8 images (N, C, H, W) leave it uncorrelated.

        With the eigenvectors v_i and eigenvalues λ_i of the patches' covariance, its outputs are
        v_i · (patch - mean) / √(λ_i + eps), and the same with the opposite sign. It is not trained.
        """
        patches = unfold(from_uint8(pixels), PATCH).transpose(1, 2).flatten(0, 1).double()
        eigenvalues, eigenvectors = torch.linalg.eigh(patches.T.cov())
        filters = eigenvectors.T / (eigenvalues + eps).sqrt()[:, None]
        filters = torch.cat([filters, -filters])
        assert self.whitening.bias is not None
        self.whitening.weight.copy_(filters.view_as(self.whitening.weight))
        self.whitening.bias.copy_(-filters @ patches.mean(0))


class ResidualStage(nn.Module):
    """h = GELU(norm(pool(conv(x)))) at half the resolution; h + GELU(norm(conv(h)))."""

    def __init__(self, ins: int, outs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(ins, outs, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(outs)
        self.conv2 = nn.Conv2d(outs, outs, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(outs)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C', H // 2, W // 2)."""
        h = gelu(self.norm1(max_pool2d(self.conv1(x), 2)))
        return h + gelu(self.norm2(self.conv2(h)))
