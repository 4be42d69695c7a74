"""Are the samples of the requested class, and is every class as frequent as in the data?"""

import logging

import torch
from torch import Tensor

from diffusion_lightning.evaluation.comparison import Comparison, Metric
from diffusion_lightning.evaluation.doubt import Doubtful, Figure

log = logging.getLogger(__name__)


def frequencies(classes: Tensor, num_classes: int) -> Tensor:
    """Fraction of each class, float64 (K,)."""
    return torch.bincount(classes, minlength=num_classes).double() / len(classes)


class Classes(Metric):
    """Class accuracy of labelled samples, and the distance of their class frequencies from the data's.

    The extractor classifies each image. The distance is the total variation ½ Σ_k |p_k - q_k|: 0 for the
    data's own frequencies, 1 if no class occurs in both.
    """

    def __call__(self, compared: Comparison) -> dict[str, Figure]:
        """accuracy (of labelled images), class_distance; empty if the logits are not the data's classes."""
        logits, labels, real = compared.samples.logits, compared.samples.labels, compared.train.labels
        num_classes = int(real.max()) + 1
        if logits.shape[1] != num_classes:
            log.info("classes: the extractor does not classify the data's %d classes", num_classes)
            return {}
        predicted = logits.argmax(1)
        gap = frequencies(predicted, num_classes) - frequencies(real, num_classes)
        distance, few = float(gap.abs().sum() / 2), f"{len(predicted)} images cannot be of all classes"
        values: dict[str, Figure] = {
            "class_distance": distance if len(predicted) >= num_classes else Doubtful(few, distance)
        }
        labelled = labels < num_classes
        if labelled.any():
            values["accuracy"] = float((predicted == labels)[labelled].double().mean())
        return values
