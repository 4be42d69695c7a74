"""The image files of a folder: in which split each is, and of which class."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from diffusion_lightning.data.listing import IMAGE_SUFFIXES, Listing, list_files
from diffusion_lightning.data.metadata import read_labels
from diffusion_lightning.data.splits import check_splits, find_splits
from diffusion_lightning.errors import UserError

log = logging.getLogger(__name__)

Labels = dict[Path, str | None]
"""Image file → the name of its class; None without one."""


@dataclass(frozen=True)
class LabelledFiles:
    """The files of a folder.

    Args:
        folders: of the training and of the test images; the same where there are no splits.
        train, test: their files; all files in both where there are no splits.
        by_folder: whether the names of folders are the classes.
    """

    folders: tuple[Path, Path]
    train: Labels
    test: Labels
    by_folder: bool

    @property
    def split(self) -> bool:
        """Whether there are splits."""
        return self.folders[0] != self.folders[1]


def label_files(root: Path, splits: Sequence[str] | None = None) -> LabelledFiles:
    """List the image files of a folder, and say in one line what is left out.

    Args:
        root: the folder.
        splits: the folders of the training and of the test images below it; [] for none; None finds them.

    Raises:
        UserError: if the folder is missing, or holds no images; if its splits or classes are doubtful.
    """
    if not root.is_dir():
        raise UserError(f"no folder {root}; set data_dir=<folder of images>.")
    listing = list_files(root)
    if splits is None:
        pair = find_splits(root, {image.parent.relative_to(root).parts for image in listing.images})
    else:
        pair = check_splits(root, splits)
    folders = pair or (root, root)
    files = [[image for image in listing.images if image.is_relative_to(folder)] for folder in folders]
    used = set().union(*files)
    named = read_labels(listing.metadata, listing.images, sorted(used))
    if named is None:
        labels = [_by_folder(folder, images) for folder, images in zip(folders, files, strict=True)]
    else:
        labels = [{image: named[image] for image in images} for images in files]
    _report(listing, used, used_metadata=named is not None)
    for folder, images in zip(folders, files, strict=True):
        if not images:
            raise UserError(f"no images in {folder} (looked for {' '.join(sorted(IMAGE_SUFFIXES))}).")
    return LabelledFiles(folders, labels[0], labels[1], by_folder=named is None)


def _by_folder(folder: Path, images: Sequence[Path]) -> Labels:
    """The class of each image is the folder right below this one."""
    labels: Labels = {}
    for image in images:
        first, *deeper = image.relative_to(folder).parts
        labels[image] = first if deeper else None
    if None in labels.values() and len(set(labels.values())) > 1:
        raise UserError(f"{folder} mixes loose images with class folders; keep one of the two.")
    return labels


def _report(listing: Listing, used: set[Path], used_metadata: bool) -> None:
    """One line about what is left out, if anything is."""
    for image in listing.images:
        if image not in used:
            first, *deeper = image.relative_to(listing.folder).parts
            listing.left_out[f"in {first}/" if deeper else "beside the splits"] += 1
    for table in () if used_metadata else listing.metadata:
        listing.left_out[f"{table.name} without file_name and label"] += 1
    if listing.left_out:
        log.warning("%s", listing)
