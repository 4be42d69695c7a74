"""CIFAR-10 as folders of pictures: train/<class>/ and test/<class>/, as fast.ai and Kaggle hand it on."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from diffusion_lightning.data.listing import list_files
from diffusion_lightning.errors import UserError

CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
"""In the official order, in which they are numbered."""

PER_CLASS = {"train": 5000, "test": 1000}

FORMATS = {
    "png": {".png", ".apng"},
    "jpeg": {".jpg", ".jpeg", ".jpe", ".jfif"},
}
"""Format → the suffixes of its files. What is lossless is preferred."""

FOLDER = re.compile(r"cifar[-_ ]?10(?!\d)", re.IGNORECASE)
"""What the name of a folder of the data set begins with: `cifar10`, `CIFAR-10-images`, `cifar10-jpeg`."""


@dataclass(frozen=True)
class Pictures:
    """A copy of CIFAR-10 in folders.

    Args:
        root: the folder that holds the splits.
        splits: `train` and `test`, and the folder that each is, in whatever case its name is written.
    """

    root: Path
    splits: dict[str, Path]

    @cached_property
    def files(self) -> dict[str, list[tuple[int, Path]]]:
        """The number of the class and the path of each picture of a split, class by class."""
        return {split: sorted(_of_classes(folder)) for split, folder in self.splits.items()}

    @cached_property
    def format(self) -> str:
        """`png` or `jpeg`; a copy of which some are JPEG files is a JPEG copy, with others it is `other`."""
        suffixes = {file.suffix.lower() for found in self.files.values() for _, file in found}
        if not suffixes <= FORMATS["png"] | FORMATS["jpeg"]:
            return "other"
        return "jpeg" if suffixes & FORMATS["jpeg"] else "png"

    def check(self, wanted: Collection[int]) -> None:
        """Refuse a copy that lacks a class, or has files of other formats.

        Args:
            wanted: the numbers of the classes in use.

        Raises:
            UserError: for other formats, and for the first split without one of the classes.
        """
        if self.format == "other":
            raise UserError(
                f"not all pictures in {self.root} are PNG or JPEG files, as those of a copy of CIFAR-10 are; "
                "dataset=image_folder reads any format."
            )
        for split, found in self.files.items():
            there = {y for y, _ in found}
            if missing := [CLASSES[y] for y in wanted if y not in there]:
                others = ",".join(CLASSES[y] for y in sorted(there))
                raise UserError(
                    f"{self.splits[split]} has no {', '.join(missing)} in folders of these names; "
                    f"add them, or take the other classes with dataset.classes=[{others}]."
                )

    def remarks(self, wanted: Collection[int]) -> Iterator[str]:
        """How many pictures are there where there should be another number, a line for each split."""
        for split, found in self.files.items():
            counts = Counter(y for y, _ in found)
            wrong = [f"{CLASSES[y]} {counts[y]:,}" for y in wanted if counts[y] != PER_CLASS[split]]
            if wrong:
                yield (
                    f"{self.splits[split]} is not complete, with {', '.join(wrong)}; CIFAR-10 has "
                    f"{PER_CLASS[split]:,} {split} images of each class"
                )


def find_pictures(data_dir: Path) -> list[Pictures]:
    """The copies in a folder, or in folders of it that are named after CIFAR-10; PNG first, then JPEG."""
    copies = [copy for folder in _places(data_dir, 2) if (copy := _copy_in(folder)) is not None]
    there = [copy for copy in copies if any(copy.files.values())]
    return sorted(there, key=lambda copy: [*FORMATS, "other"].index(copy.format))


def _places(folder: Path, depth: int) -> Iterator[Path]:
    """The folder itself, and those below it that are named after CIFAR-10: archives repeat their names."""
    yield folder
    for below in sorted(folder.iterdir()) if depth and folder.is_dir() else ():
        if below.is_dir() and FOLDER.match(below.name):
            yield from _places(below, depth - 1)


def _copy_in(root: Path) -> Pictures | None:
    below = sorted(root.iterdir()) if root.is_dir() else []
    named = {path.name.lower(): path for path in below if path.is_dir()}
    if not PER_CLASS.keys() <= named.keys():
        return None
    return Pictures(root, {split: named[split] for split in PER_CLASS})


def _of_classes(split: Path) -> Iterator[tuple[int, Path]]:
    for image in list_files(split).images:
        name = image.relative_to(split).parts[0].lower()
        if name in CLASSES:
            yield CLASSES.index(name), image
