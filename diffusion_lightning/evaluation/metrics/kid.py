"""Kernel Inception distance."""

import torch
from torch import Tensor

from diffusion_lightning.errors import check_at_least
from diffusion_lightning.evaluation.comparison import Comparison, Metric
from diffusion_lightning.evaluation.doubt import Doubtful, Figure, Meaningless, deviation, figure
from diffusion_lightning.evaluation.statistics import ImageStatistics


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """(x·y/D + 1)³ for features (N, D) and (M, D): (N, M)."""
    return (x @ y.T / x.shape[1] + 1) ** 3


def mmd2(x: Tensor, y: Tensor) -> Tensor:
    """Unbiased squared maximum mean discrepancy of features (M, D) and (M, D), M ≥ 2.

    Σ_{i≠j} k(x_i, x_j)/(M(M-1)) + Σ_{i≠j} k(y_i, y_j)/(M(M-1)) - 2 Σ_{i,j} k(x_i, y_j)/M²

    Source: Bińkowski et al. 2018 (Demystifying MMD GANs), eq. 4.
    """
    m = len(x)
    within = sum((k.sum() - k.trace()) / (m * (m - 1)) for k in (kernel(x, x), kernel(y, y)))
    return within - 2 * kernel(x, y).mean()


def kernel_distance(
    a: ImageStatistics, b: ImageStatistics, subsets: int, subset_size: int
) -> tuple[float, Figure]:
    """Mean and standard deviation of MMD² over random subsets of the kept features, the same every time.

    The deviation is null where every subset is the whole of both sets.

    Raises:
        Meaningless: if a set has fewer than two images.
    """
    m = min(subset_size, len(a.features), len(b.features))
    if m < 2:
        raise Meaningless(f"KID needs at least two images on each side, not {m}")
    rng = torch.Generator().manual_seed(0)
    x, y = a.features.double(), b.features.double()

    def subset(features: Tensor) -> Tensor:
        return features[torch.randperm(len(features), generator=rng)[:m]]

    values = torch.stack([mmd2(subset(x), subset(y)) for _ in range(subsets)])
    if len(x) == len(y) == m:
        return float(values.mean()), Doubtful(f"every subset is the whole of both sets, {m} images each")
    return float(values.mean()), figure(lambda: deviation(values, "subset"))


class KID(Metric):
    """KID to the training images, and its standard deviation between subsets.

    Args:
        subsets: number of random subsets.
        subset_size: images per subset; fewer if a set has fewer.
    """

    def __init__(self, subsets: int = 100, subset_size: int = 1000) -> None:
        self.subsets = check_at_least("subsets", subsets)
        self.subset_size = check_at_least("subset_size", subset_size, 2)

    def __call__(self, compared: Comparison) -> dict[str, Figure]:
        """kid, kid_std."""
        sets = compared.samples, compared.train
        distance = figure(lambda: kernel_distance(*sets, self.subsets, self.subset_size))
        mean, spread = (distance, distance) if isinstance(distance, Doubtful) else distance
        return {"kid": mean, "kid_std": spread}
