"""CIFAR-10."""

from typing import Any

import torch

from diffusion_lightning.data.base import ImageData, TensorImages
from diffusion_lightning.data.download import downloading


class CIFAR10(ImageData):
    """50,000 + 10,000 32x32 colour images (Krizhevsky 2009), through torchvision."""

    def prepare_data(self) -> None:
        """Download what is absent, with progress and MD5 checks."""
        self._open(train=True, download=True)

    def load(self, train: bool) -> TensorImages:
        """The split as one tensor."""
        split = self._open(train, download=False)
        images = torch.from_numpy(split.data).permute(0, 3, 1, 2).contiguous()
        return TensorImages(images, torch.tensor(split.targets))

    def _open(self, train: bool, download: bool) -> Any:
        from torchvision.datasets import CIFAR10 as Torchvision

        with downloading("CIFAR-10", f"cifar-10-python.tar.gz into {self.data_dir}"):
            return Torchvision(self.data_dir, train=train, download=download)
