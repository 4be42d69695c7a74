"""The image files below a folder, and how many files of which kinds are left out."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

IMAGE_SUFFIXES = {
    *(".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp", ".bmp", ".dib", ".gif", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm"),
}
"""Of the formats that every build of Pillow reads."""

METADATA = {"metadata.csv", "metadata.jsonl"}
"""Files that say more about the images beside them."""

JUNK = {
    *("__macosx", "@eadir", "@recycle", "#recycle", "#snapshot", "$recycle.bin", "recycler", "recycled"),
    *("system volume information", "network trash folder", "temporary items", "lost+found"),
    *("__pycache__", "cvs", "thumbs.db", "ehthumbs.db", "ehthumbs_vista.db", "desktop.ini", "icon\r"),
    *("ntuser.dat", "picasa.ini"),
}
"""What systems and programs leave behind, in lower case; what begins with a dot is hidden anyway."""


@dataclass(frozen=True)
class Listing:
    """What is below a folder.

    Args:
        folder: the folder.
        images: its image files at any depth, sorted; a broken link is one of them, so that it is reported.
        metadata: its files of metadata.
        left_out: kind → number of other files, those of hidden and of junk folders included.
    """

    folder: Path
    images: list[Path]
    metadata: list[Path]
    left_out: Counter[str]

    def __str__(self) -> str:
        """One line: how many files of which kinds are left out."""
        kinds = sorted(self.left_out.items(), key=lambda item: (-item[1], item[0]))
        number = self.left_out.total()
        files = f"{number} files are" if number > 1 else "1 file is"
        return (
            f"{self.folder}: {files} left out ({', '.join(f'{n} {kind}' for kind, n in kinds)}); images are "
            f"{' '.join(sorted(IMAGE_SUFFIXES))}"
        )


def list_files(folder: Path) -> Listing:
    """List a folder at every depth; links are followed.

    Raises:
        OSError: if a folder cannot be read.
    """
    listing = Listing(folder, [], [], Counter())
    for file, kind in _walk(folder, None, (os.path.realpath(folder),)):
        if kind is not None:
            listing.left_out[kind] += 1
        elif file.name.lower() in METADATA:
            listing.metadata.append(file)
        elif file.suffix.lower() in IMAGE_SUFFIXES:
            listing.images.append(file)
        else:
            listing.left_out[file.suffix.lower() or "without a suffix"] += 1
    listing.images.sort()
    listing.metadata.sort()
    return listing


def is_junk(name: str) -> bool:
    """Whether a file or folder of this name is hidden, or left behind by a system or a program."""
    return name.startswith((".", "~$")) or name.lower() in JUNK


def _walk(folder: Path, within: str | None, above: tuple[str, ...]) -> Iterator[tuple[Path, str | None]]:
    """Every file, and why it is left out, if it is.

    Args:
        folder: where to begin.
        within: the junk folder that it is part of.
        above: the real paths of the folder and of those above it.
    """
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        path, junk = folder / entry.name, is_junk(entry.name)
        if entry.is_dir():
            real = os.path.realpath(path)
            if entry.is_symlink() and real in above:
                yield path, "link to a folder above"
            else:
                yield from _walk(path, within or (f"in {entry.name}/" if junk else None), (*above, real))
        else:
            hidden = "hidden" if entry.name.startswith(".") else entry.name
            yield path, within or (hidden if junk else None)
