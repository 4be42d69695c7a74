"""Fréchet distance between two sets of images; on Inception's features, FID."""

import torch

from diffusion_lightning.evaluation.comparison import Comparison, Metric
from diffusion_lightning.evaluation.doubt import Doubtful, Figure, Meaningless, figure
from diffusion_lightning.evaluation.statistics import ImageStatistics


def frechet_distance(a: ImageStatistics, b: ImageStatistics) -> float:
    """‖μ_a - μ_b‖² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½) of the features, in float64.

    tr (Σ_a Σ_b)^½ is the sum of the singular values of Σ_a^½ Σ_b^½. This needs no complex root, and works for
    covariances without full rank.

    Source: Heusel et al. 2017 (GANs Trained by a Two Time-Scale Update Rule), eq. 6.

    Raises:
        Meaningless: if a set has fewer than two images.
    """
    if min(a.n, b.n) < 2:
        raise Meaningless(f"a Fréchet distance needs at least two images on each side, not {min(a.n, b.n)}")
    cross = torch.linalg.svdvals(a.covariance_root @ b.covariance_root).sum()
    spread = a.covariance.trace() + b.covariance.trace() - 2 * cross
    return float(((a.mean - b.mean).square().sum() + spread).clamp(min=0))


def fid(a: ImageStatistics, b: ImageStatistics) -> Figure:
    """The Fréchet distance of two sets; doubtful where a covariance cannot have full rank."""
    n, features = min(a.n, b.n), len(a.mean)
    distance = figure(lambda: frechet_distance(a, b))
    if isinstance(distance, Doubtful) or n > features:
        return distance
    return Doubtful(
        f"{n} images cannot span {features} features, so it is too large: compare it at equal numbers only",
        distance,
    )


class FID(Metric):
    """Fréchet distance to the training images (the field's number) and to the test images."""

    def __call__(self, compared: Comparison) -> dict[str, Figure]:
        """fid, fid_test."""
        return {
            "fid": fid(compared.samples, compared.train),
            "fid_test": fid(compared.samples, compared.test),
        }
