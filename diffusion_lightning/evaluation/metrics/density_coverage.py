"""Density and coverage: like precision and recall, but robust to outliers."""

from diffusion_lightning.errors import check_at_least
from diffusion_lightning.evaluation.comparison import Comparison, Metric
from diffusion_lightning.evaluation.doubt import Doubtful, Figure, figure
from diffusion_lightning.evaluation.metrics.precision_recall import covering, nearest, radii


class DensityCoverage(Metric):
    """Density: mean number of the data's balls around a sample, over k; coverage: fraction of balls with one.

    Source: Naeem et al. 2020 (Reliable Fidelity and Diversity Metrics for Generative Models), eq. 3 and 4.

    Args:
        k: a ball around an image reaches to its k-th nearest neighbour.
        num_images: images of each set, at most.
    """

    def __init__(self, k: int = 5, num_images: int = 10_000) -> None:
        self.k = check_at_least("k", k)
        self.num_images = check_at_least("num_images", num_images, 2)

    def __call__(self, compared: Comparison) -> dict[str, Figure]:
        """density, coverage."""
        samples = compared.samples.features[: self.num_images]
        data = compared.train.features[: self.num_images]
        radius = figure(lambda: radii(data, self.k))
        if isinstance(radius, Doubtful):
            return {"density": radius, "coverage": radius}
        return {
            "density": float(covering(samples, data, radius).double().mean() / self.k),
            "coverage": float((nearest(data, samples) <= radius).double().mean()),
        }
