"""Warns when the samples' colours drift away from the data's."""

import logging

import torch
from torch import Tensor

from diffusion_lightning.data.batches import ImageSet

log = logging.getLogger(__name__)

NUM_IMAGES = 256
"""Images that stand for the whole data set."""


class ColourWatch:
    """Compares grids of samples with the data, and warns when a grid is much worse than earlier ones.

    `drift` is the largest distance of a channel's mean from the data's, in standard deviations of the data's
    channel. `saturated` is the fraction of values that are 0 or 255, less that of the data. Both are large at
    first and fall as a model learns. A later rise shows as tinted, black or overexposed images, which guided
    or badly clamped models end in, long before the loss rises.
    """

    def __init__(self) -> None:
        self._of_data: tuple[Tensor, Tensor, Tensor] | None = None
        self.best = {"drift": float("inf"), "saturated": float("inf")}

    def __call__(self, samples: Tensor, data: ImageSet) -> dict[str, float]:
        """Drift and saturation of uint8 samples (N, C, H, W); nothing of points, which have no colours."""
        if samples.dtype != torch.uint8:
            return {}
        if self._of_data is None:  # once: a set on disk must be decoded
            every = max(1, len(data) // NUM_IMAGES)
            self._of_data = _colours(data[torch.arange(0, len(data), every)[:NUM_IMAGES]][0])
        mean, spread, saturated = self._of_data
        samples_mean, _, samples_saturated = _colours(samples)
        drift = ((samples_mean - mean).abs() / spread.clamp(min=1)).max()
        found = {"drift": float(drift), "saturated": max(0.0, float(samples_saturated - saturated))}
        for name, value in found.items():
            if value > max(0.25, 2 * self.best[name]) and self.best[name] < 0.25:
                log.warning(
                    "the samples' colours leave the data's: %s is %.2g, and was %.2g; use an earlier "
                    "checkpoint, or try a smaller guidance.scale, clamp=static, or a lower optimizer.lr",
                    name,
                    value,
                    self.best[name],
                )
            self.best[name] = min(value, self.best[name])
        return {f"samples/{name}": value for name, value in found.items()}


def _colours(pixels: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (C,) and standard deviation (C,) of uint8 images (N, C, H, W), and the fraction of 0 and 255."""
    x = pixels.double()
    return x.mean((0, 2, 3)), x.std((0, 2, 3)), ((pixels == 0) | (pixels == 255)).double().mean()
