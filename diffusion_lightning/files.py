"""Files that are written completely or not at all, and how they are read while others write."""

import csv
import io
import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

LOCK = ".lock"
"""The file by which a process holds a folder while it works there."""


@contextmanager
def atomic_write(path: Path, mode: str = "w", writer: str = "") -> Iterator[IO[Any]]:
    """A new file, which replaces the file at the path only when all of it is on the disk.

    Args:
        path: where it is written.
        mode: w for text, wb for bytes.
        writer: a name that tells those apart who may write the file at the same time.
    """
    unfinished = path.with_name(f".{path.name}.{writer}unfinished")
    try:
        newline, encoding = (None, None) if "b" in mode else ("", "utf-8")
        with unfinished.open(mode, newline=newline, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def whole_folder(folder: Path) -> Iterator[Path]:
    """An empty folder, whose files replace those of this one when all of them are written."""
    unfinished = folder / ".unfinished"
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir()
    try:
        yield unfinished
        for file in [path for path in unfinished.rglob("*") if path.is_file()]:
            target = folder / file.relative_to(unfinished)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def is_held(folder: Path) -> bool:
    """Whether a process works in the folder now; the lock of one that was killed ended with it."""
    from filelock import FileLock, Timeout

    if not (folder / LOCK).is_file():
        return False
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    except OSError:  # a disk without locks, or that cannot be written to
        return False
    lock.release()
    return False


def read_csv(path: Path) -> "csv.DictReader[str]":
    """The rows of a CSV file.

    A last line without a line break is left out: its process was killed while it wrote, or writes it now.
    """
    text = path.read_bytes().decode("utf-8")
    return csv.DictReader(io.StringIO(text[: text.rfind("\n") + 1], newline=""), restval="")


def read_json(path: Path) -> Any:
    """The value of a JSON file.

    Raises:
        ValueError: if it is no JSON.
    """
    return json.loads(path.read_text(encoding="utf-8"))


def write_json(value: Any, path: Path) -> None:
    """Write plain containers as JSON; a number that is not finite, which JSON does not know, is null."""
    with atomic_write(path) as file:
        file.write(json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
