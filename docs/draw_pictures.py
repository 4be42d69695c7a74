"""Draw the pictures of results/ again, each by its command, and say which differ: `make pictures`.

The list is the table of pictures in results/README.md: a name, and the command that draws it. A picture that
differs by more than a level, or is not there, is replaced by what its command draws today. What is drawn is
equal to the bit on one machine, and within one 8-bit level on another, as all commands say `speed=plain`.
"""

import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageSequence

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "results"
ROW = re.compile(r"^\| `([\w.]+)` \| `python (sample\.py checkpoint=zoo:[^`]+)` \|", re.M)


@dataclass(frozen=True)
class Picture:
    """A picture and the command that draws it.

    Args:
        name: of the file in results/.
        command: script and options, without `out=`.
    """

    name: str
    command: str

    def draw(self, folder: Path) -> Path:
        """Run the command and return its picture: the one file in its folder with the suffix of the name.

        Raises:
            CalledProcessError: if the command fails.
        """
        script, *options = shlex.split(self.command)
        subprocess.run([sys.executable, script, *options, f"out={folder}"], cwd=ROOT, check=True)
        (drawn,) = folder.glob(f"*{Path(self.name).suffix}")
        return drawn


def listed(page: str) -> list[Picture]:
    """The pictures of a page: each row of a table that begins with a file's name and a command."""
    return [Picture(*row) for row in ROW.findall(page)]


def comparison(kept: Path, drawn: Path) -> tuple[str, bool]:
    """How a picture or film differs from the one that is kept, and whether by more than rounding."""
    if not kept.exists():
        return "new", True
    a, b = pixels(kept), pixels(drawn)
    if a.shape != b.shape:
        return "another size", True
    levels = int(np.abs(a - b).max())
    return {0: "equal", 1: "one level apart"}.get(levels, f"{levels} levels apart"), levels > 1


def pixels(file: Path) -> np.ndarray:
    """All frames of a picture or film, int (frames, H, W, 3)."""
    with Image.open(file) as image:
        return np.stack([np.asarray(frame.convert("RGB"), int) for frame in ImageSequence.Iterator(image)])


def redraw(picture: Picture, results: Path = RESULTS) -> str:
    """Draw a picture, replace the one that is kept if they differ by more than rounding, and say so."""
    kept = results / picture.name
    with tempfile.TemporaryDirectory() as folder:
        drawn = picture.draw(Path(folder) / "out")
        difference, replaced = comparison(kept, drawn)
        if replaced:
            shutil.copyfile(drawn, kept)
    return f"{difference}, replaced" if replaced else difference


def main(names: Sequence[str]) -> None:
    """Draw the pictures of these names, or all."""
    pictures = listed((RESULTS / "README.md").read_text(encoding="utf-8"))
    unknown = set(names) - {picture.name for picture in pictures}
    if unknown:
        raise SystemExit(f"error: results/README.md has no command for {', '.join(sorted(unknown))}.")
    found = {picture.name: redraw(picture) for picture in pictures if not names or picture.name in names}
    for name, difference in found.items():
        print(f"{name}: {difference}")


if __name__ == "__main__":
    main(sys.argv[1:])
