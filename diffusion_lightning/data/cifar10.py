"""CIFAR-10."""

import logging
import tarfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from diffusion_lightning.data.base import ImageData, TensorImages
from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.data.cifar10_pictures import CLASSES, Pictures, find_pictures
from diffusion_lightning.data.download import downloading
from diffusion_lightning.data.image_folder import FileImages
from diffusion_lightning.data.pickled import load_arrays
from diffusion_lightning.errors import UserError
from diffusion_lightning.hashing import listing_sha256, text_sha256

log = logging.getLogger(__name__)

Copy = Literal["original", "png", "jpeg"]

NOTICES = {"png": "CIFAR-10 (PNG copy)", "jpeg": "CIFAR-10 (JPEG copy)"}
"""What pictures and records call a copy in folders: JPEG has other pixels, and PNG another order."""


class CIFAR10(ImageData):
    """50,000 + 10,000 32x32 colour images (Krizhevsky 2009), from the files that torchvision downloads.

    They may also lie in class folders, train/<class>/ and test/<class>/, as PNG or JPEG pictures: in
    `data_dir` itself, or in a folder of it whose name begins with cifar10, such as `cifar10-jpeg`. Their
    classes are numbered in the official order.

    Args:
        copy: which copy is read. None is the original where it lies in `data_dir`, else the pictures that
            lie there, PNG before JPEG, else the original, which is downloaded.
        others: see `ImageData`.

    Raises:
        UserError: if the copy asked for is not there, or lacks a class.
    """

    def __init__(self, data_dir: str, *args: Any, copy: Copy | None = None, **others: Any) -> None:
        super().__init__(data_dir, *args, **others)
        self._asked = copy
        self._found = find_pictures(self.data_dir)
        wanted = copy or ("original" if self._original_is_there() or not self._found else None)
        formats = [pictures.format for pictures in self._found]
        if wanted in NOTICES and wanted not in formats:
            raise UserError(
                f"there is no copy of CIFAR-10 in {str(wanted).upper()} files in {self.data_dir}, as "
                "train/<class>/ and test/<class>/ there or in a folder named cifar10: set data_dir, or take "
                "what is there with dataset=cifar10 dataset.copy=null."
            )
        self.copy: str = wanted or formats[0]
        self.notice = NOTICES.get(self.copy, "")
        self._pictures: Pictures | None = None
        if self.copy != "original":
            self._pictures = self._found[formats.index(self.copy)]
            self._pictures.check(self._wanted)

    def prepare_data(self) -> None:
        """Download the archive of the original if files are missing, with progress and MD5 checks."""
        if self._pictures:
            return
        from torchvision.datasets.utils import check_integrity, download_url

        with self._downloading():
            files = self._files(train=True) | self._files(train=False)
            if all(check_integrity(file, md5) for file, md5 in files.items()):
                return
            official = _official()
            download_url(official.url, self.data_dir, official.filename, official.tgz_md5)
            extract(self.data_dir / official.filename, list(files))

    def load(self, train: bool) -> ImageSet:
        """The split of the copy that is read."""
        if train:
            log.info("CIFAR-10: %s", self._described())
        return self._original(train) if self._pictures is None else self._files_of(self._pictures, train)

    def split(self, train: bool) -> ImageSet:
        """The split as the run sees it, in memory; pictures are decoded once."""
        images = super().split(train)
        if isinstance(images, FileImages):
            return images.in_memory(f"CIFAR-10 {'train' if train else 'test'}")
        return images

    def contents(self) -> str | None:
        """SHA-256 of images and labels; of pictures in folders, of their files, none of which is decoded."""
        if self._pictures is None:
            return super().contents()
        splits = (self._files_of(self._pictures, train) for train in (True, False))
        return text_sha256(" ".join(files.contents(self._pictures.root) for files in splits))

    def remarks(self) -> Iterable[str]:
        """What a person should know of the images, one line each."""
        yield from self._pictures.remarks(self._wanted) if self._pictures else ()
        yield from super().remarks()

    def __str__(self) -> str:
        return self.notice or super().__str__()

    @property
    def _wanted(self) -> Sequence[int]:
        """The numbers of the classes in use."""
        return self._numbers or range(len(CLASSES))

    def _described(self) -> str:
        """Which copy is read, and which others lie there."""
        if self._pictures:
            read = f"{self.copy.upper()} pictures in {self._pictures.root}"
        else:
            read = f"the original batches in {self._folder()}"
        others = [copy for copy in self._found if copy is not self._pictures]
        beside = "; ".join(f"{one.format.upper()} pictures in {one.root}" for one in others)
        return f"{read}; not read: {beside} (dataset.copy=png|jpeg|original chooses)" if beside else read

    def _files_of(self, pictures: Pictures, train: bool) -> FileImages:
        found = pictures.files["train" if train else "test"]
        labels = torch.tensor([y for y, _ in found], dtype=torch.long)
        return FileImages([file for _, file in found], labels, 3, self.image_size)

    def _original(self, train: bool) -> TensorImages:
        from torchvision.datasets.utils import check_integrity

        with self._downloading():
            for file, md5 in self._files(train).items():
                if not check_integrity(file, md5):
                    raise RuntimeError(f"{file} is missing or damaged")
            batches = [load_arrays(file) for file in self._files(train)]
            images = np.concatenate([batch["data"] for batch in batches]).reshape(-1, 3, 32, 32)
            labels = [label for batch in batches for label in batch["labels"]]
            key = listing_sha256(self._files(train))
            return TensorImages(torch.from_numpy(images), torch.tensor(labels), key)

    def _files(self, train: bool) -> dict[Path, str]:
        """The split's files, with their MD5 sums."""
        official = _official()
        listed = official.train_list if train else official.test_list
        return {self._folder() / name: md5 for name, md5 in listed}

    def _folder(self) -> Path:
        """Where the original batches are."""
        return self.data_dir / _official().base_folder

    def _original_is_there(self) -> bool:
        """Whether it needs no download; whether its files are whole is seen when they are read."""
        files = self._files(train=True) | self._files(train=False)
        return (self.data_dir / _official().filename).is_file() or all(file.is_file() for file in files)

    def _downloading(self) -> Any:
        pictures = ", or PNG or JPEG pictures as train/<class>/ and test/<class>/,"
        files = f"cifar-10-python.tar.gz{'' if self._asked else pictures}"
        return downloading("CIFAR-10", f"{files} into {self.data_dir}")


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
