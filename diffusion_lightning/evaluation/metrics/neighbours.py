"""Nearest training images: does the model copy?"""

import torch
from torch import Tensor

from diffusion_lightning.captions import Captions
from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.errors import check_at_least
from diffusion_lightning.evaluation.comparison import Comparison, Metric
from diffusion_lightning.samples import save_grid


def nearest_images(pixels: Tensor, images: ImageSet, k: int, chunk_size: int = 2000) -> tuple[Tensor, Tensor]:
    """Distances (M, k) and numbers (M, k) of the k nearest images of a set, nearest first.

    A distance is the root mean square over all values, in 8-bit levels. The search is exact.

    Args:
        pixels: uint8 (M, C, H, W).
        images: the set.
        k: number of neighbours; fewer if the set has fewer.
        chunk_size: images of the set that are compared at a time; changes no result.
    """
    x = pixels.double().flatten(1)
    distances, numbers = x.new_empty(len(x), 0), torch.empty(len(x), 0, dtype=torch.long)
    for part in torch.arange(len(images)).split(chunk_size):
        y = images[part][0].double().flatten(1)
        found = torch.cdist(x, y) / x.shape[1] ** 0.5
        distances = torch.cat([distances, found], 1)
        numbers = torch.cat([numbers, part.expand(len(x), -1)], 1)
        distances, order = distances.topk(min(k, distances.shape[1]), largest=False)
        numbers = numbers.gather(1, order)
    return distances, numbers


def _captions(samples: Tensor, distances: Tensor, title: str) -> Captions:
    """Captions of samples (M,) and their nearest training images at these distances (M, k)."""
    k = distances.shape[1]
    return Captions(
        "Samples that are much nearer to one training image than to the next, and these; below: the distance "
        f"(RMS, in 8-bit levels of 0 to 255)\n{title}",
        columns=["sample", "nearest", *(f"{i}." for i in range(2, k + 1))],
        rows=[f"image {i}" for i in samples.tolist()],
        images=[text for row in distances.tolist() for text in ("", *(f"{x:.1f}" for x in row))],
    )


class Neighbours(Metric):
    """Distance of the samples to their nearest training images, and an image of the most suspicious samples.

    Test images cannot be copies of training images, so their distance is what a model that generalises should
    have.

    Args:
        num_images: number of samples, at most.
        rows: samples shown: those whose nearest training image is much nearer than the next ones.
        columns: training images shown beside each sample.
    """

    def __init__(self, num_images: int = 1000, rows: int = 10, columns: int = 5) -> None:
        self.num_images = check_at_least("num_images", num_images)
        self.rows = check_at_least("rows", rows)
        self.columns = check_at_least("columns", columns)

    def __call__(self, compared: Comparison) -> dict[str, float]:
        """nearest (median distance), copies (within half a level of a training image); empty for points."""
        if compared.pixels.dtype != torch.uint8:
            return {}
        pixels = compared.pixels[: self.num_images]
        distances, numbers = nearest_images(pixels, compared.train_images, self.columns)
        if compared.pictures:
            # A simple shape is near many images; a copy is much nearer to one image than to the next
            worst = (distances[:, 0] / distances.mean(1).clamp(min=1e-9)).argsort()[: self.rows]
            shown = [
                torch.cat([pixels[i : i + 1], compared.train_images[numbers[i]][0]]) for i in worst.tolist()
            ]
            captions = _captions(worst, distances[worst], compared.title) if compared.title else None
            save_grid(torch.cat(shown), compared.pictures / "neighbours.png", len(shown[0]), captions)
        return {
            "nearest": float(distances[:, 0].median()),
            "copies": float((distances[:, 0] < 0.5).double().mean()),
        }
