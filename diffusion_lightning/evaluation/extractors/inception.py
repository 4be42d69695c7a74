"""Inception, whose features define the field's FID."""

import pickle
from pathlib import Path

import torch
from torch import Tensor, nn

from diffusion_lightning.compat import needs
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.extractors.weights import INCEPTION, fetch, known_weights


class Inception(nn.Module):
    """InceptionV3 of 2015-12-05 as torch-fidelity ported it, TensorFlow's resizing to 299x299 included.

    Features are the 2,048 of the last pooling, logits the 1,008 without bias, as in torch-fidelity's and
    torchmetrics' FID, KID and Inception Score. Grey images are repeated in all three channels.

    Source: Heusel et al. 2017 (TTUR), section 4; Szegedy et al. 2016 (Rethinking the Inception Architecture).

    Args:
        weights: a file; None downloads the published one into the cache.
        sha256: of that file; None accepts any weights.

    Raises:
        UserError: if the weights are not available, or do not have this hash.
    """

    def __init__(self, weights: str | None = None, sha256: str | None = INCEPTION.sha256) -> None:
        super().__init__()
        fidelity = needs("torch_fidelity.feature_extractor_inceptionv3", extra="evaluation")
        file = known_weights(Path(weights), sha256) if weights else fetch(INCEPTION)
        _refuse_code(file)
        features = ["2048", "logits_unbiased"]
        self.network = fidelity.FeatureExtractorInceptionV3("inception", features, str(file))

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """Features (B, 2048) and logits (B, 1008) of uint8 images (B, 1 or 3, H, W)."""
        features, logits = self.network(pixels.expand(-1, 3, -1, -1))
        return features, logits


def _refuse_code(file: Path) -> None:
    """torch-fidelity unpickles any code in the file, so check first that it holds only tensors."""
    try:
        torch.load(file, map_location="meta", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError) as error:
        raise UserError(f"{file} holds more than weights, or is damaged: {str(error)[:100]}") from None
