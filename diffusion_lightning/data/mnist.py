"""MNIST and its look-alikes."""

from typing import Any

from diffusion_lightning.data.base import ImageData, TensorImages
from diffusion_lightning.data.download import downloading


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
        return TensorImages(split.data[:, None], split.targets)

    def _open(self, train: bool, download: bool) -> Any:
        import torchvision.datasets

        folder = self.data_dir / self.name / "raw"
        kinds = ("images-idx3", "labels-idx1")
        files = ", ".join(f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in kinds)
        with downloading(self.name, f"{files} into {folder}"):
            return getattr(torchvision.datasets, self.name)(self.data_dir, train=train, download=download)


class FashionMNIST(MNIST):
    """60,000 + 10,000 28x28 pictures of clothing (Xiao et al. 2017), through torchvision."""

    name = "FashionMNIST"
