"""uint8 images → features, by any module, in batches of one size."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from diffusion_lightning.errors import UserError
from diffusion_lightning.hashing import tensors_sha256

HASHED_AS = {
    "Classifier": "diffusion_lightning.extractors.classifier.Classifier",
    "Inception": "diffusion_lightning.extractors.inception.Inception",
}
"""The names that are hashed for these classes, so that statistics and records of version 0.1 stay valid."""


@torch.no_grad()
def extract(extractor: nn.Module, pixels: Tensor, batch_size: int = 64) -> tuple[Tensor, Tensor]:
    """Features (N, D) and logits (N, K) of uint8 images (N, C, H, W), float32 on the CPU.

    K is 0 for an extractor without logits. Every batch has the same size, the last one filled up with black
    images: kernels are chosen by shape, so an image's features do not depend on the number of images.

    Raises:
        UserError: if the extractor returns neither features nor (features, logits).
    """
    device = next(extractor.parameters(), torch.empty(0)).device
    features: list[Tensor] = []
    logits: list[Tensor] = []
    for part in pixels.split(batch_size):
        filled = pad(part.to(device), (0, 0) * (part.ndim - 1) + (0, batch_size - len(part)))
        for kept, output in zip((features, logits), _forward(extractor, filled), strict=True):
            kept.append(output[: len(part)].cpu())
    return torch.cat(features), torch.cat(logits)


def _forward(extractor: nn.Module, pixels: Tensor) -> tuple[Tensor, Tensor]:
    # TensorFloat-32 and autocast would change the third digit of a feature
    exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
    with exact, torch.autocast(pixels.device.type, enabled=False):
        output = extractor(pixels)
    features, logits = (output, output.new_empty(len(pixels), 0)) if torch.is_tensor(output) else output
    if features.ndim < 2 or len(features) != len(pixels):
        raise UserError(
            f"{type(extractor).__name__} makes features {tuple(features.shape)} of {len(pixels)} images; "
            "an extractor maps uint8 images (B, C, H, W) to features (B, D), or to (features, logits (B, K))."
        )
    return features.flatten(1).float(), logits.float()


def extractor_sha256(extractor: nn.Module) -> str:
    """SHA-256 of the class's name and the weights: figures of different extractors do not compare.

    The module of the class is not part of it, so that files may move.
    """
    name = type(extractor).__qualname__
    if type(extractor).__module__.startswith("diffusion_lightning."):
        name = HASHED_AS.get(name, name)
    return tensors_sha256([(name, torch.empty(0)), *extractor.state_dict().items()])
