"""What trained extractors share: sizes, weights from a file, and images of the right number of channels."""

from collections.abc import Sequence
from pathlib import Path

from torch import Tensor, nn

from diffusion_lightning.errors import UserError, check_counts, first_load_error
from diffusion_lightning.evaluation.extractors.weights import known_weights

SHIPPED = Path(__file__).with_name("shipped")
"""The folder of the weights that come with the package."""


def load_weights(extractor: nn.Module, weights: str, sha256: str | None) -> None:
    """Load a safetensors file, or a shipped one by its name; half precision becomes the extractor's own.

    Raises:
        UserError: if the file is missing, does not have this hash, or does not fit.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    file = SHIPPED / weights if (SHIPPED / weights).is_file() else Path(weights)
    try:
        extractor.load_state_dict(load_file(known_weights(file, sha256)))
    except SafetensorError as error:
        raise UserError(f"{file} is not a safetensors file ({error}).") from None
    except RuntimeError as error:
        raise UserError(f"{file} does not fit the extractor: {first_load_error(error)}") from None


def check_sizes(image_channels: int, num_classes: int, widths: Sequence[int]) -> None:
    """Refuse what is not a positive integer, or no widths at all."""
    check_counts(image_channels=image_channels, num_classes=num_classes, widths=len(widths))
    for width in widths:
        check_counts(widths=width)


def check_channels(pixels: Tensor, image_channels: int) -> None:
    """Refuse images (B, C, H, W) of another number of channels than the extractor was made for."""
    if pixels.shape[1] != image_channels:
        raise UserError(
            f"this extractor is for images of {image_channels} channels, not {pixels.shape[1]}; "
            "choose another, such as extractor=inception."
        )
