"""Fréchet distance between two sets of images; on Inception's features, FID."""

import torch

from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.comparison import Comparison, Metric
from diffusion_lightning.evaluation.statistics import ImageStatistics


def frechet_distance(a: ImageStatistics, b: ImageStatistics) -> float:
    """‖μ_a - μ_b‖² + tr(Σ_a + Σ_b - 2 (Σ_a Σ_b)^½) of the features, in float64.

    tr (Σ_a Σ_b)^½ is the sum of the singular values of Σ_a^½ Σ_b^½. This needs no complex root, and works for
    covariances without full rank.

    Source: Heusel et al. 2017 (GANs Trained by a Two Time-Scale Update Rule), eq. 6.

    Raises:
        UserError: if a set has fewer than two images.
    """
    if min(a.n, b.n) < 2:
        raise UserError(f"a Fréchet distance needs at least two images on each side, not {min(a.n, b.n)}.")
    cross = torch.linalg.svdvals(a.covariance_root @ b.covariance_root).sum()
    spread = a.covariance.trace() + b.covariance.trace() - 2 * cross
    return max(0.0, float((a.mean - b.mean).square().sum() + spread))


class FID(Metric):
    """Fréchet distance to the training images (the field's number) and to the test images."""

    def __call__(self, compared: Comparison) -> dict[str, float]:
        """fid, fid_test."""
        return {
            "fid": frechet_distance(compared.samples, compared.train),
            "fid_test": frechet_distance(compared.samples, compared.test),
        }
