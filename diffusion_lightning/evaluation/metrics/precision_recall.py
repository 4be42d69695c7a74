"""Improved precision and recall: do samples look like data, and is all data covered by samples?"""

import torch
from torch import Tensor

from diffusion_lightning.errors import check_at_least
from diffusion_lightning.evaluation.comparison import Comparison, Metric
from diffusion_lightning.evaluation.doubt import Figure, Meaningless, figure

CHUNK = 1000
"""Features that are compared with all others at a time."""


def radii(features: Tensor, k: int) -> Tensor:
    """Distance (N,) of each feature vector (N, D) to its k-th nearest neighbour.

    Raises:
        Meaningless: if there are not more than k.
    """
    if len(features) <= k:
        raise Meaningless(f"neighbour number k = {k} needs more than {k} images, not {len(features)}")
    # The nearest point is the point itself
    return torch.cat([_distances(part, features).kthvalue(k + 1).values for part in features.split(CHUNK)])


def covering(points: Tensor, centres: Tensor, radius: Tensor) -> Tensor:
    """For each point (N, D), the number (N,) of balls around the centres (M, D) that hold it."""
    inside = [(_distances(part, centres) <= radius).sum(1) for part in points.split(CHUNK)]
    return torch.cat(inside)


def nearest(points: Tensor, others: Tensor) -> Tensor:
    """Distance (N,) of each point (N, D) to the nearest of the others (M, D)."""
    return torch.cat([_distances(part, others).amin(1) for part in points.split(CHUNK)])


def _distances(x: Tensor, y: Tensor) -> Tensor:
    # In float32, by matrix products, the distance of a point to itself would be far from zero
    return torch.cdist(x.double(), y.double())


def covered(points: Tensor, centres: Tensor, k: int) -> float:
    """Fraction of the points (N, D) in a ball around a centre (M, D), which reaches to its k-th neighbour."""
    return float((covering(points, centres, radii(centres, k)) > 0).double().mean())


class PrecisionRecall(Metric):
    """Precision: fraction of samples in the data's manifold; recall: fraction of data in the samples'.

    The manifold of a set is the union of balls around its features, each as wide as to the k-th neighbour.

    Source: Kynkäänniemi et al. 2019 (Improved Precision and Recall Metric), eq. 1 and 2.

    Args:
        k: number of the neighbour that a ball reaches to.
        num_images: images of each set, at most.
    """

    def __init__(self, k: int = 3, num_images: int = 10_000) -> None:
        self.k = check_at_least("k", k)
        self.num_images = check_at_least("num_images", num_images, 2)

    def __call__(self, compared: Comparison) -> dict[str, Figure]:
        """precision, recall."""
        samples = compared.samples.features[: self.num_images]
        data = compared.train.features[: self.num_images]
        return {
            "precision": figure(lambda: covered(samples, data, self.k)),
            "recall": figure(lambda: covered(data, samples, self.k)),
        }
