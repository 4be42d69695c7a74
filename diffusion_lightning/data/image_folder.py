"""Any folder of images."""

import logging
import math
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffusion_lightning.data.base import ImageData, TensorImages
from diffusion_lightning.data.batches import ImageSet, PixelBatch
from diffusion_lightning.data.image_files import Range, read_image
from diffusion_lightning.data.labelled_files import LabelledFiles, label_files
from diffusion_lightning.data.metadata import by_number, class_order
from diffusion_lightning.data.survey import remarks_on_files
from diffusion_lightning.errors import UserError
from diffusion_lightning.hashing import file_sha256, listing_sha256, text_sha256
from diffusion_lightning.images import height_and_width

log = logging.getLogger(__name__)

READ = 2000
"""Files of a split that are read to know it again, evenly spread; of the others the sizes must do."""
TEST_EVERY = 20
"""Of a folder without splits, every 20th image is a test image."""


class FileImages(ImageSet):
    """A set of image files, decoded when they are indexed; `size` is H = W or (H, W)."""

    def __init__(
        self,
        files: Sequence[Path],
        labels: Tensor,
        channels: int,
        size: int | Sequence[int],
        value_range: Range | None = None,
    ) -> None:
        self.files, self.labels = files, labels
        self.channels, self.size, self.value_range = channels, size, value_range

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of an image."""
        return self.channels, *height_and_width(self.size)

    def __getitem__(self, indices: Tensor) -> PixelBatch:
        """The images and labels at the indices (B,)."""
        return torch.stack([self._read(self.files[i]) for i in indices.tolist()]), self.labels[indices]

    def part(self, indices: Tensor, labels: Tensor) -> "FileImages":
        """The images at the indices (M,), with these labels (M,)."""
        files = [self.files[i] for i in indices.tolist()]
        return FileImages(files, labels, self.channels, self.size, self.value_range)

    def key(self) -> str:
        """SHA-256 of the files' names, sizes and times, and of labels and shape: no file is opened."""
        black_and_white = self.value_range and tuple(self.value_range)
        facts = listing_sha256(self.files), self.labels.tolist(), self.shape, black_and_white
        return text_sha256(repr(facts))

    def contents(self, root: Path) -> str:
        """SHA-256 of the files' names below the root, sizes, labels, and of what is in READ of them."""
        files = [f for f in self.files if f.is_file()]  # a broken link is reported when it is read
        facts = [(f.relative_to(root).as_posix(), f.stat().st_size) for f in files]
        read = [file_sha256(f) for f in files[:: max(1, -(-len(files) // READ))]]
        return text_sha256(repr((facts, self.labels.tolist(), read)))

    def in_memory(self, title: str, skip_unreadable: bool = False) -> TensorImages:
        """The images, kept in memory; one that cannot be read is an error when it is decoded, or left out."""
        if not skip_unreadable:
            return DecodedImages(self, title)
        images, kept = self.decoded(title, skip_unreadable)
        read = self.part(kept, self.labels[kept])
        return TensorImages(images, read.labels, read.key())

    def decoded(self, title: str, skip_unreadable: bool = False) -> tuple[Tensor, Tensor]:
        """All images, uint8 (N, C, H, W), and their indices (N,), with a progress bar."""
        images = torch.empty(len(self), *self.shape, dtype=torch.uint8)
        kept: list[int] = []
        for i, image in self._each(title, skip_unreadable):
            images[len(kept)] = image
            kept.append(i)
        return images[: len(kept)], torch.tensor(kept, dtype=torch.long)

    def readable(self, title: str) -> "FileImages":
        """The images that can be read; all are read for it once."""
        kept = torch.tensor([i for i, _ in self._each(title, skip_unreadable=True)], dtype=torch.long)
        return self.part(kept, self.labels[kept])

    def _each(self, title: str, skip_unreadable: bool) -> Iterable[tuple[int, Tensor]]:
        from rich.progress import track

        errors = []
        for i, file in enumerate(track(self.files, f"decoding {title} images", transient=True)):
            try:
                image = self._read(file)
            except UserError as error:
                if not skip_unreadable:
                    raise
                errors.append(str(error))
            else:
                yield i, image
        if len(errors) == len(self):
            raise UserError(f"none of the {title} images can be read: {errors[0]}")
        if errors:
            log.warning("%d of %d %s images are left out: %s", len(errors), len(self), title, errors[0])

    def _read(self, file: Path) -> Tensor:
        return read_image(file, self.channels, self.shape[1:], self.value_range)


class DecodedImages(TensorImages):
    """Images of files, all decoded when the first is asked for.

    An evaluation mostly needs no training image: their statistics are cached.

    Args:
        files: where they are.
        title: what the progress bar calls them.
    """

    def __init__(self, files: FileImages, title: str) -> None:
        self._files, self._title = files, title
        self.labels = files.labels

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of an image."""
        return self._files.shape

    @cached_property
    def _key(self) -> str:  # type: ignore[override]
        return self._files.key()

    @cached_property
    def images(self) -> Tensor:  # type: ignore[override]
        """uint8 (N, C, H, W)."""
        return self._files.decoded(self._title)[0]

    def decode(self) -> None:
        """Decode the images, if they are not yet."""
        self.images  # noqa: B018


class ImageFolder(ImageData):
    """A folder of images, in class folders or flat, with labels in a table or without, split or not.

    `data_dir` holds `train/` and `test/` (or `val/`) in any of their usual spellings, or the images
    themselves. Then every 20th image is a test image; a single image is in both splits. The classes are the
    names of the class folders, or those of the column label in `metadata.csv` or `metadata.jsonl`, in the
    order of class_names, or in alphabetical order without them. What is hidden, and what systems leave
    behind, is left out at every depth; one line says how many files of which kinds are left out.

    Args:
        memory_limit: bytes; a larger set (as uint8 after resizing) is read from disk batch by batch.
        num_classes: found in the folder; if given, it must agree with it.
        class_names: found in the folder; if given, they must agree with it, and fix the order of the labels.
        splits: the folders of the training and of the test images; [] if there are none; None finds them.
        value_range: the stored values that are black and white, such as [0, 4095] for 12 bits in files of
            16. None is the whole range of 8 or 16 bits.
        skip_unreadable: leave out images that cannot be read, and say how many. A set that is not kept in
            memory is read once for it.
        others: see `ImageData`.

    Raises:
        UserError: if the folder is missing, empty, or mixes loose images with class folders; if it is
            doubtful which folders are splits; if train and test have different classes; if an image cannot
            be read.
    """

    def __init__(
        self,
        data_dir: str,
        *,
        image_channels: int,
        image_size: int | Sequence[int],
        num_classes: int | None = None,
        class_names: Sequence[str | int] | None = None,
        memory_limit: float = 4e9,
        splits: Sequence[str] | None = None,
        value_range: Sequence[float] | None = None,
        skip_unreadable: bool = False,
        classes: Sequence[int | str] | None = None,
        **others: Any,
    ) -> None:
        if image_channels not in (1, 3):
            raise UserError(f"image_channels is {image_channels}; it must be 1 or 3.")
        if memory_limit < 0:
            raise UserError(f"memory_limit is {memory_limit}; it must be 0 (no set fits) or more.")
        labelled = label_files(Path(data_dir), splits)
        numbers, names = _numbered(labelled, class_names, classes)
        if num_classes is not None and num_classes not in (len(names), len(classes or names)):
            raise UserError(
                f"num_classes is {num_classes}, but {data_dir} has {len(names)} classes; leave it out, or "
                "set it to null."
            )
        super().__init__(
            data_dir,
            image_channels=image_channels,
            image_size=image_size,
            num_classes=len(names),
            class_names=names or None,
            classes=classes,
            **others,
        )
        if self.classes is not None:
            self.classes = self.class_names  # which say what they mean whatever else is in the folder
        self.memory_limit = memory_limit
        self.value_range = None if value_range is None else _checked_range(value_range)
        self.skip_unreadable = skip_unreadable
        self._files = {train: self._split(labelled, numbers, train) for train in (True, False)}

    def load(self, train: bool) -> ImageSet:
        """The files of the split."""
        return self._files[train]

    def contents(self) -> str:
        """SHA-256 of names, sizes, labels and contents of the files; no image is decoded."""
        return text_sha256(" ".join(self._files[train].contents(self.data_dir) for train in (True, False)))

    def split(self, train: bool) -> ImageSet:
        """The split as the run sees it, in memory unless it is too large."""
        images, title = super().split(train), "train" if train else "test"
        assert isinstance(images, FileImages)
        if len(images) * math.prod(self.shape) <= self.memory_limit:
            return images.in_memory(title, self.skip_unreadable)
        return images.readable(title) if self.skip_unreadable else images

    def remarks(self) -> Iterable[str]:
        """What a person should know of the files, one line each."""
        files = sorted({file for images in self._files.values() for file in images.files})
        return remarks_on_files(files, self.image_channels, self.value_range)

    def __str__(self) -> str:
        return str(self.data_dir)

    def _split(self, labelled: LabelledFiles, numbers: dict[str, int], train: bool) -> FileImages:
        """The files of one split, class by class."""
        labels = labelled.train if train else labelled.test
        named = {name for name in labels.values() if name is not None}
        if named - numbers.keys() or (labelled.by_folder and named != numbers.keys()):
            raise UserError(
                f"{labelled.folders[not train]} has the classes {class_order(named)}, expected "
                f"{list(numbers)}; give train and test the same classes and leave class_names out, or list "
                "them all."
            )
        found = sorted((0 if name is None else numbers[name], file) for file, name in labels.items())
        y = torch.tensor([y for y, _ in found], dtype=torch.long)
        files = [file for _, file in found]
        images = FileImages(files, y, self.image_channels, self.image_size, self.value_range)
        if labelled.split or len(files) == 1:
            return images
        is_test = torch.arange(len(files)) % TEST_EVERY == 0
        kept = torch.arange(len(files))[~is_test if train else is_test]
        return images.part(kept, y[kept])


def _numbered(
    labelled: LabelledFiles, class_names: Sequence[str | int] | None, classes: Sequence[int | str] | None
) -> tuple[dict[str, int], list[str]]:
    """The number of each class in the files, and the classes' names in the order of their numbers.

    Args:
        labelled: the files.
        class_names: as the user or a checkpoint gives them; a checkpoint's are those of `classes`.
        classes: those in use; None for all.
    """
    found = class_order(name for name in labelled.train.values() if name is not None)
    given = [str(name) for name in class_names or ()]
    if not labelled.by_folder and not set(found) <= set(given) and by_number(found, given):
        if classes is not None:
            raise UserError("the labels are numbers: give class_names or classes, but not both.")
        return {str(number): number for number in range(len(given))}, given
    if classes is not None and set(given) < set(found):
        given += [name for name in found if name not in given]
    names = given or found
    return {name: number for number, name in enumerate(names)}, names


def _checked_range(value_range: Sequence[float]) -> Range:
    if len(value_range) != 2 or not value_range[0] < value_range[1]:
        raise UserError(
            f"value_range is {list(value_range)}; it must be [<black>,<white>], such as [0,4095] for 12 bits."
        )
    return value_range[0], value_range[1]
