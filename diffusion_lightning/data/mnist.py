"""MNIST and its look-alikes."""

from pathlib import Path
from typing import Any

from diffusion_lightning.data.base import ImageData, TensorImages
from diffusion_lightning.data.download import downloading
from diffusion_lightning.hashing import listing_sha256


class MNIST(ImageData):
    """60,000 + 10,000 handwritten 28x28 digits (LeCun et al. 1998), through torchvision."""

    name = "MNIST"

    def prepare_data(self) -> None:
        """Download missing files, with progress and MD5 checks."""
        for train in (True, False):
            self._open(train, download=True)

    def load(self, train: bool) -> TensorImages:
        """The split as one tensor."""
        split = self._open(train, download=False)
        key = listing_sha256(sorted(self._folder().glob(f"{'train' if train else 't10k'}-*")))
        return TensorImages(split.data[:, None], split.targets, key)

    def _folder(self) -> Path:
        """Where the files are."""
        return self.data_dir / self.name / "raw"

    def _open(self, train: bool, download: bool) -> Any:
        import torchvision.datasets

        kinds = ("images-idx3", "labels-idx1")
        files = ", ".join(f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in kinds)
        with downloading(self.name, f"{files} into {self._folder()}"):
            return getattr(torchvision.datasets, self.name)(self.data_dir, train=train, download=download)


class FashionMNIST(MNIST):
    """60,000 + 10,000 28x28 pictures of clothing (Xiao et al. 2017), through torchvision."""

    name = "FashionMNIST"
