"""A small classifier, for data on which Inception's features mean little."""

from collections.abc import Sequence

from torch import Tensor, nn

from diffusion_lightning.evaluation.extractors.loading import check_channels, check_sizes, load_weights
from diffusion_lightning.images import from_uint8


class Classifier(nn.Module):
    """Pairs of 3x3 convolutions, each halving the resolution; features are the mean over the last pixels.

    Args:
        image_channels: C.
        num_classes: K.
        widths: channels of each pair; the last is D.
        weights: a safetensors file, or the name of one that comes with the package; None is untrained.
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
        ins = [image_channels, *widths[:-1]]
        self.trunk = nn.Sequential(*(_pair(i, o) for i, o in zip(ins, widths, strict=True)))
        self.head = nn.Linear(widths[-1], num_classes)
        if weights is not None:
            load_weights(self, weights, sha256)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, D) and logits (B, K) of uint8 images (B, C, H, W)."""
        check_channels(pixels, self.image_channels)
        features = self.trunk(from_uint8(pixels)).mean((2, 3))
        return features, self.head(features)


def _pair(ins: int, outs: int) -> nn.Module:
    return nn.Sequential(_convolution(ins, outs), _convolution(outs, outs, stride=2))


def _convolution(ins: int, outs: int, stride: int = 1) -> nn.Module:
    conv = nn.Conv2d(ins, outs, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outs), nn.ReLU())
