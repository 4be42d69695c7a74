"""A small classifier, for data on which Inception's features mean little."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from diffusion_lightning.errors import UserError, check_counts, first_load_error
from diffusion_lightning.evaluation.extractors.weights import known_weights
from diffusion_lightning.images import from_uint8

SHIPPED = Path(__file__).with_name("shipped")
"""The folder of the weights that come with the package."""


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
        check_counts(image_channels=image_channels, num_classes=num_classes, widths=len(widths))
        for width in widths:
            check_counts(widths=width)
        self.image_channels = image_channels
        ins = [image_channels, *widths[:-1]]
        self.trunk = nn.Sequential(*(_pair(i, o) for i, o in zip(ins, widths, strict=True)))
        self.head = nn.Linear(widths[-1], num_classes)
        if weights is not None:
            self._load(SHIPPED / weights if (SHIPPED / weights).is_file() else Path(weights), sha256)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, D) and logits (B, K) of uint8 images (B, C, H, W)."""
        if pixels.shape[1] != self.image_channels:
            raise UserError(
                f"this extractor is for images of {self.image_channels} channels, not {pixels.shape[1]}; "
                "choose another, such as extractor=inception."
            )
        features = self.trunk(from_uint8(pixels)).mean((2, 3))
        return features, self.head(features)

    def _load(self, file: Path, sha256: str | None) -> None:
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            self.load_state_dict(load_file(known_weights(file, sha256)))
        except SafetensorError as error:
            raise UserError(f"{file} is not a safetensors file ({error}).") from None
        except RuntimeError as error:
            raise UserError(f"{file} does not fit the extractor: {first_load_error(error)}") from None


def _pair(ins: int, outs: int) -> nn.Module:
    return nn.Sequential(_convolution(ins, outs), _convolution(outs, outs, stride=2))


def _convolution(ins: int, outs: int, stride: int = 1) -> nn.Module:
    conv = nn.Conv2d(ins, outs, 3, stride, padding=1, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outs), nn.ReLU())
