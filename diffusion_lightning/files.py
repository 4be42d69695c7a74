"""Files that are written whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any


@contextmanager
def atomic_write(path: Path, mode: str = "w", writer: str = "") -> Iterator[IO[Any]]:
    """A file that takes its name only when all of it is on the disk; until then the old one has it.

    Args:
        path: its name.
        mode: w for text, wb for bytes.
        writer: a name for each of those who may write the file at the same time.
    """
    unfinished = path.with_name(f".{path.name}.{writer}unfinished")
    try:
        with unfinished.open(mode, newline=None if "b" in mode else "") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
