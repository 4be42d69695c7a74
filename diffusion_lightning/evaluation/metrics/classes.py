"""Are the samples of the class that was asked for, and does every class come as often as in the data?"""

import logging

import torch
from torch import Tensor

from diffusion_lightning.evaluation.comparison import Comparison, Metric

log = logging.getLogger(__name__)


def frequencies(classes: Tensor, num_classes: int) -> Tensor:
    """Share of each class, float64 (K,)."""
    return torch.bincount(classes, minlength=num_classes).double() / len(classes)


class Classes(Metric):
    """Class accuracy of labelled samples, and the distance of the histogram of classes from the data's.

    The extractor says which class an image is of. The distance is the total variation
    ½ Σ_k |p_k - q_k|: 0 for the data's own frequencies, 1 where no class is shared.
    """

    def __call__(self, compared: Comparison) -> dict[str, float]:
        """accuracy (of labelled images), class_distance; nothing if the logits are not the data's classes."""
        logits, labels, real = compared.samples.logits, compared.samples.labels, compared.train.labels
        num_classes = int(real.max()) + 1
        if logits.shape[1] != num_classes:
            log.info("classes: the extractor does not tell the data's %d classes apart", num_classes)
            return {}
        said = logits.argmax(1)
        gap = frequencies(said, num_classes) - frequencies(real, num_classes)
        values = {"class_distance": float(gap.abs().sum() / 2)}
        labelled = labels < num_classes
        if labelled.any():
            values["accuracy"] = float((said == labels)[labelled].double().mean())
        return values
