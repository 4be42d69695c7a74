"""Any folder of images."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffusion_lightning.data.base import ImageData, TensorImages
from diffusion_lightning.data.batches import ImageSet, PixelBatch
from diffusion_lightning.data.image_files import read_image
from diffusion_lightning.errors import UserError
from diffusion_lightning.hashing import file_sha256, text_sha256

EXTENSIONS = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
READ = 2000
"""Files of a split that are read to know it again, evenly spread; of the others the sizes must do."""
TEST_EVERY = 20
"""Of a folder without splits, every 20th image is a test image."""


class FileImages(ImageSet):
    """A set of image files, decoded when they are indexed."""

    def __init__(self, files: Sequence[Path], labels: Tensor, channels: int, size: int) -> None:
        self.files, self.labels = files, labels
        self.channels, self.size = channels, size

    def __getitem__(self, indices: Tensor) -> PixelBatch:
        """The images and labels at the indices (B,)."""
        images = [read_image(self.files[i], self.channels, self.size) for i in indices.tolist()]
        return torch.stack(images), self.labels[indices]

    def sha256(self) -> str:
        """SHA-256 of the files' names, sizes and times, and of labels and shape: no file is opened."""
        facts = [(str(f), f.stat().st_size, f.stat().st_mtime_ns) for f in self.files]
        return text_sha256(repr((facts, self.labels.tolist(), self.channels, self.size)))

    def contents(self, root: Path) -> str:
        """SHA-256 of the files' names below the root, sizes, labels, and of what is in READ of them."""
        files = [f for f in self.files if f.is_file()]  # a broken link is reported when it is read
        facts = [(f.relative_to(root).as_posix(), f.stat().st_size) for f in files]
        read = [file_sha256(f) for f in files[:: max(1, -(-len(files) // READ))]]
        return text_sha256(repr((facts, self.labels.tolist(), read)))

    def in_memory(self, title: str) -> TensorImages:
        """All images decoded once, with a progress bar."""
        from rich.progress import track

        images = torch.empty(len(self), self.channels, self.size, self.size, dtype=torch.uint8)
        for i, file in enumerate(track(self.files, f"decoding {title} images", transient=True)):
            images[i] = read_image(file, self.channels, self.size)
        return TensorImages(images, self.labels)


class ImageFolder(ImageData):
    """A folder of images, in class folders or flat (then without labels), split or not.

    `data_dir` holds `train/` and `test/` (or `val/`), or the images themselves. Then every 20th image is a
    test image; a single image is in both splits. The classes are the names of the class folders, in the
    order of class_names, or in alphabetical order without them.

    Args:
        memory_limit: bytes; a larger set (as uint8 after resizing) is read from disk batch by batch.
        num_classes, class_names: found in the folder; if given, they must agree with it.
        others: see `ImageData`.

    Raises:
        UserError: if the folder is missing, empty, or mixes loose images with class folders; if
            train and test have different classes; if an image cannot be read.
    """

    def __init__(
        self,
        data_dir: str,
        *,
        image_channels: int,
        image_size: int,
        num_classes: int | None = None,
        class_names: Sequence[str | int] | None = None,
        memory_limit: float = 4e9,
        **others: Any,
    ) -> None:
        if image_channels not in (1, 3):
            raise UserError(f"image_channels is {image_channels}; it must be 1 or 3.")
        if memory_limit < 0:
            raise UserError(f"memory_limit is {memory_limit}; it must be 0 (no set fits) or more.")
        root = Path(data_dir)
        if not root.is_dir():
            raise UserError(f"no folder {root}; set data_dir=<folder of images>.")
        names = [str(name) for name in class_names or ()] or _classes(
            root / "train" if (root / "train").is_dir() else root
        )
        if num_classes is not None and num_classes != len(names):
            raise UserError(
                f"num_classes is {num_classes}, but {root} has {len(names)} classes; leave it "
                "out, or set it to null."
            )
        super().__init__(
            data_dir,
            image_channels=image_channels,
            image_size=image_size,
            num_classes=len(names),
            class_names=names or None,
            **others,
        )
        self.memory_limit = memory_limit
        self._files = {train: self._split(train) for train in (True, False)}

    def load(self, train: bool) -> ImageSet:
        """The split, in memory unless it is too large."""
        images = self._files[train]
        size = len(images) * self.image_channels * self.image_size**2
        return images if size > self.memory_limit else images.in_memory("train" if train else "test")

    def contents(self) -> str:
        """SHA-256 of names, sizes, labels and contents of the files; no image is decoded."""
        return text_sha256(" ".join(self._files[train].contents(self.data_dir) for train in (True, False)))

    def _split(self, train: bool) -> FileImages:
        root = self.data_dir
        if (root / "train").is_dir():
            held_out = next((root / n for n in ("test", "val") if (root / n).is_dir()), None)
            if held_out is None:
                raise UserError(f"{root} has train/ but no test/ or val/; add one of them.")
            files, labels = self._scan(root / "train" if train else held_out)
        else:
            files, labels = self._scan(root)
            is_test = torch.arange(len(files)) % TEST_EVERY == 0
            if len(files) > 1:
                keep = ~is_test if train else is_test
                files = [f for f, kept in zip(files, keep.tolist(), strict=True) if kept]
                labels = labels[keep]
        return FileImages(files, labels, self.image_channels, self.image_size)

    def _scan(self, folder: Path) -> tuple[list[Path], Tensor]:
        """Files and labels (N,) of one split, in sorted order."""
        found_names, names = _classes(folder), self.class_names or []
        if found_names != sorted(names):
            raise UserError(
                f"{folder} has the classes {found_names}, expected {names}; give train and test the same "
                "class folders and leave class_names out, or list them all."
            )
        found = [(f, y) for y, name in enumerate(names) for f in _images(folder / name, deep=True)]
        found = found or [(f, 0) for f in _images(folder)]
        if not found:
            kinds = " ".join(sorted(EXTENSIONS))
            raise UserError(f"no images in {folder} (looked for {kinds}).")
        return [f for f, _ in found], torch.tensor([y for _, y in found])


def _images(folder: Path, deep: bool = False) -> list[Path]:
    """The image files in a folder; a broken link is one of them, so that it is reported and not left out."""
    found = (f for f in (folder.rglob("*") if deep else folder.iterdir()) if f.suffix.lower() in EXTENSIONS)
    return sorted(f for f in found if not f.name.startswith(".") and (f.is_file() or not f.exists()))


def _classes(folder: Path) -> list[str]:
    """Names of the class folders; none if the folder itself holds the images."""
    folders = sorted(f.name for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))
    names = [name for name in folders if _images(folder / name, deep=True)]
    if names and _images(folder):
        raise UserError(f"{folder} mixes loose images with class folders; keep one of the two.")
    return names
