"""CIFAR-10."""

import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from diffusion_lightning.data.base import ImageData, TensorImages
from diffusion_lightning.data.download import downloading
from diffusion_lightning.data.pickled import load_arrays


class CIFAR10(ImageData):
    """50,000 + 10,000 32x32 colour images (Krizhevsky 2009), from the files that torchvision downloads."""

    def prepare_data(self) -> None:
        """Download the archive if files are missing, with progress and MD5 checks."""
        from torchvision.datasets.utils import check_integrity, download_url

        with self._downloading():
            files = self._files(train=True) | self._files(train=False)
            if all(check_integrity(file, md5) for file, md5 in files.items()):
                return
            official = _official()
            download_url(official.url, self.data_dir, official.filename, official.tgz_md5)
            extract(self.data_dir / official.filename, list(files))

    def load(self, train: bool) -> TensorImages:
        """The split as one tensor."""
        from torchvision.datasets.utils import check_integrity

        with self._downloading():
            for file, md5 in self._files(train).items():
                if not check_integrity(file, md5):
                    raise RuntimeError(f"{file} is missing or damaged")
            batches = [load_arrays(file) for file in self._files(train)]
            images = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
            labels = [label for batch in batches for label in batch["labels"]]
            return TensorImages(torch.from_numpy(images), torch.tensor(labels))

    def _files(self, train: bool) -> dict[Path, str]:
        """The split's files, with their MD5 sums."""
        official = _official()
        folder = self.data_dir / official.base_folder
        return {folder / name: md5 for name, md5 in (official.train_list if train else official.test_list)}

    def _downloading(self) -> Any:
        return downloading("CIFAR-10", f"cifar-10-python.tar.gz into {self.data_dir}")


def _official() -> Any:
    """torchvision's class, for its file names and MD5 sums; loading by it would unpickle any code."""
    from torchvision.datasets import CIFAR10

    return CIFAR10


def extract(archive: Path, files: list[Path]) -> None:
    """Write these files, and no others, from an archive that holds them in a folder of the same name."""
    with tarfile.open(archive) as tar:
        for file in files:
            member = tar.extractfile(f"{file.parent.name}/{file.name}")
            if member is None:
                raise tarfile.TarError(f"{file.name} in {archive} is not a file")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(member.read())
