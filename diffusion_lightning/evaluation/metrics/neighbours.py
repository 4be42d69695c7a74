"""Nearest training images: does the model copy?"""

import torch
from torch import Tensor

from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.errors import check_at_least
from diffusion_lightning.evaluation.comparison import Comparison, Metric
from diffusion_lightning.images import save_grid

CHUNK = 2000


def nearest_images(pixels: Tensor, images: ImageSet, k: int) -> tuple[Tensor, Tensor]:
    """Distances (M, k), root mean square in 8-bit levels, and numbers (M, k) of the k nearest of a set.

    Args:
        pixels: uint8 (M, C, H, W).
        images: what is searched, exactly and in pieces.
        k: neighbours, or all that there are; nearest first.
    """
    x = pixels.double().flatten(1)
    distances, numbers = x.new_empty(len(x), 0), torch.empty(len(x), 0, dtype=torch.long)
    for part in torch.arange(len(images)).split(CHUNK):
        y = images[part][0].double().flatten(1)
        found = torch.cdist(x, y) / x.shape[1] ** 0.5
        distances = torch.cat([distances, found], 1)
        numbers = torch.cat([numbers, part.expand(len(x), -1)], 1)
        distances, order = distances.topk(min(k, distances.shape[1]), largest=False)
        numbers = numbers.gather(1, order)
    return distances, numbers


class Neighbours(Metric):
    """Distance of the samples to their nearest training images, and a picture of the most suspicious.

    Test images cannot have been copied: what they have is what a model that only learned should have.

    Args:
        num_images: samples that are looked up, at most.
        rows: samples in the picture, those that are nearest to one image, compared with the next ones.
        columns: training images beside each.
    """

    def __init__(self, num_images: int = 1000, rows: int = 10, columns: int = 5) -> None:
        self.num_images = check_at_least("num_images", num_images)
        self.rows = check_at_least("rows", rows)
        self.columns = check_at_least("columns", columns)

    def __call__(self, compared: Comparison) -> dict[str, float]:
        """nearest (median distance), copies (share that is a training image, but for half a level)."""
        pixels = compared.pixels[: self.num_images]
        distances, numbers = nearest_images(pixels, compared.train_images, self.columns)
        if compared.pictures:
            # Simple shapes are near to many images; a copy is far nearer to one than to the next
            worst = (distances[:, 0] / distances.mean(1).clamp(min=1e-9)).argsort()[: self.rows]
            shown = [
                torch.cat([pixels[i : i + 1], compared.train_images[numbers[i]][0]]) for i in worst.tolist()
            ]
            save_grid(torch.cat(shown), len(shown[0]), compared.pictures / "neighbours.png")
        return {
            "nearest": float(distances[:, 0].median()),
            "copies": float((distances[:, 0] < 0.5).double().mean()),
        }
