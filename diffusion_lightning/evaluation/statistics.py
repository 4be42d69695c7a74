"""Statistics of a set of images, from which the metrics are computed."""

from pathlib import Path
from uuid import uuid4

import torch
from torch import Tensor, nn

from diffusion_lightning.distributed import gather_in_order
from diffusion_lightning.errors import NotFinite
from diffusion_lightning.evaluation.extractors.extract import extract
from diffusion_lightning.files import atomic_write
from diffusion_lightning.hashing import tensors_sha256


class ImageStatistics:
    """Sums over all images, and the features, logits and labels of the first `keep` of them.

    The sums are float64, and take the same memory for a million images as for one. Neither they nor what is
    kept depend on how the images are split into batches.

    Args:
        keep: number of images whose features are kept.
    """

    def __init__(self, keep: int) -> None:
        self.keep = keep
        self.n = 0
        self._root: Tensor | None = None
        self._sums: dict[str, Tensor] = {}
        self._kept: dict[str, list[Tensor]] = {"features": [], "logits": [], "labels": []}

    def add(self, extractor: nn.Module, pixels: Tensor, labels: Tensor, total: int) -> Tensor:
        """Add a block of images, of which each process holds its shard; every process gets the same sums.

        Args:
            extractor: computes the features.
            pixels, labels: this process's shard, (B, *) as it is stored, and (B,).
            total: images in the whole block.

        Returns:
            the block's pixels, (total, *) on the CPU.
        """
        features, logits = extract(extractor, pixels)
        block = [gather_in_order(part.cpu(), total) for part in (pixels, labels, features, logits)]
        self.update(*block)
        return block[0]

    def update(self, pixels: Tensor, labels: Tensor, features: Tensor, logits: Tensor) -> None:
        """Add images: uint8 (B, C, H, W) or points (B, C), labels (B,), features (B, D), logits (B, K).

        Raises:
            NotFinite: if features or logits are not finite.
        """
        x, f = pixels.cpu().double(), features.cpu().double()
        if not (f.isfinite().all() and logits.isfinite().all()):
            raise NotFinite(
                "the extractor makes features of NaN or infinity; no metric can be computed of them."
            )
        sums = {
            "feature": f.sum(0),
            "feature_product": f.T @ f,
            "pixel": _of_channels(x).sum(0),
            "pixel_square": _of_channels(x.square()).sum(0),
        }
        self._sums = {name: self._sums.get(name, 0) + value for name, value in sums.items()}
        if (room := self.keep - self.n) > 0:
            for name, part in (("features", features), ("logits", logits), ("labels", labels)):
                # A view would keep the whole batch in memory
                self._kept[name].append(part[:room].cpu().clone())
        self.n += len(pixels)
        self._root = None

    @property
    def mean(self) -> Tensor:
        """Mean of the features, float64 (D,)."""
        return self._sums["feature"] / self.n

    @property
    def covariance(self) -> Tensor:
        """Unbiased covariance of the features, float64 (D, D)."""
        scatter = self._sums["feature_product"] - self.n * torch.outer(self.mean, self.mean)
        return scatter / (self.n - 1)

    @property
    def covariance_root(self) -> Tensor:
        """Σ^½, symmetric (D, D); eigenvalues that rounding made negative are set to zero."""
        if self._root is None:
            values, vectors = torch.linalg.eigh(self.covariance)
            self._root = vectors * values.clamp(min=0).sqrt() @ vectors.T
        return self._root

    @property
    def pixel_mean(self) -> Tensor:
        """Mean of each channel in [0, 255], or of each coordinate, float64 (C,)."""
        return self._sums["pixel"] / self.n

    @property
    def pixel_std(self) -> Tensor:
        """Standard deviation of each channel over all pixels of all images, float64 (C,)."""
        return (self._sums["pixel_square"] / self.n - self.pixel_mean.square()).clamp(min=0).sqrt()

    @property
    def features(self) -> Tensor:
        """Features of the first M ≤ keep images, float32 (M, D)."""
        return self._all("features")

    @property
    def logits(self) -> Tensor:
        """Their logits, float32 (M, K); K = 0 if the extractor has none."""
        return self._all("logits")

    @property
    def labels(self) -> Tensor:
        """Their labels, int64 (M,); the null label K for images without one."""
        return self._all("labels")

    def sha256(self) -> str:
        """SHA-256 of the sums."""
        return tensors_sha256([("n", torch.tensor(self.n)), *sorted(self._sums.items())])

    def save(self, file: Path) -> None:
        """Write a safetensors file, whole or not at all."""
        from safetensors.torch import save

        kept = {name: self._all(name) for name in self._kept}
        file.parent.mkdir(parents=True, exist_ok=True)
        # Several runs may write the same statistics at the same time
        with atomic_write(file, "wb", writer=uuid4().hex) as opened:
            opened.write(save(self._sums | kept | {"n": torch.tensor(self.n)}))

    @classmethod
    def load(cls, file: Path) -> "ImageStatistics":
        """Read what `save` wrote."""
        from safetensors.torch import load_file

        tensors = load_file(file)
        statistics = cls(len(tensors["features"]))
        statistics.n = int(tensors.pop("n"))
        statistics._kept = {name: [tensors.pop(name)] for name in statistics._kept}
        statistics._sums = tensors
        return statistics

    def _all(self, name: str) -> Tensor:
        return torch.cat(self._kept[name])


def _of_channels(x: Tensor) -> Tensor:
    """The mean of each channel (B, C) of images (B, C, H, W); points (B, C) as they are."""
    return x.mean((2, 3)) if x.ndim == 4 else x
