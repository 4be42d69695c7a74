"""The evaluations of a run: records that evaluate.py wrote."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diffusion_lightning.evaluation.reading import RECORD
from diffusion_lightning.files import read_json

DEPTH = 3
"""Folders below a folder in which records are looked for."""


@dataclass(frozen=True)
class Evaluation:
    """An evaluation's folder, and its record."""

    folder: Path
    record: dict[str, Any]

    @property
    def checkpoint(self) -> str:
        """The SHA-256 of the checkpoint that was measured; empty for samples of another source."""
        return str(self.record["asked"].get("checkpoint_sha256") or "")

    @property
    def picture(self) -> Path:
        """The grid of its samples."""
        return self.folder / "samples.png"


def evaluations_in(folder: Path) -> list[Evaluation]:
    """All evaluations in the folder and below it; files that are no records are passed over."""
    return [Evaluation(file.parent, record) for file in _files(folder) if (record := _record(file))]


def _files(folder: Path) -> Iterator[Path]:
    for depth in range(DEPTH):
        yield from sorted(folder.glob("*/" * depth + RECORD))


def _record(file: Path) -> dict[str, Any] | None:
    try:
        record = read_json(file)
        dicts = all(isinstance(record[key], dict) for key in ("samples", "floor", "asked", "provenance"))
        whole = dicts and isinstance(record["num_images"], int)
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return record if whole else None
