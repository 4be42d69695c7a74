"""How far a task is: a bar where somebody watches, and lines in the log where nobody does."""

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TextIO

from tqdm.auto import tqdm

log = logging.getLogger(__name__)

FIRST_LINE = 2.0
"""Seconds after which the first line says how long the task will take."""

LINE_EVERY = 30.0
"""Seconds between two lines."""


def watched(stream: TextIO | None = None) -> bool:
    """Whether somebody watches the stream, or else stderr: it is a terminal, or this is a notebook."""
    stream = stream or sys.stderr
    return "ipykernel" in sys.modules or (stream is not None and stream.isatty())


class Lines:
    """What a bar is to a terminal, to a log: a line when the time left is known, then now and then.

    The clock starts with the first unit, which is slower than the others.
    """

    def __init__(self, total: int, name: str, unit: str) -> None:
        self.total, self.name, self.unit = total, name, unit
        self.done = 0

    def update(self, n: int = 1) -> None:
        """Count n more, and log a line if it is time; none if the task is about to end."""
        now = time.monotonic()
        if self.done == 0:
            self._first, self._start, self._next = n, now, now + FIRST_LINE
        self.done += n
        if now < self._next or self.done == self._first:
            return
        left = (self.total - self.done) * (now - self._start) / (self.done - self._first)
        self._next = now + LINE_EVERY
        if left >= FIRST_LINE:
            log.info(
                "%s: %d of %d %ss, about %s left", self.name, self.done, self.total, self.unit, duration(left)
            )


_around: ContextVar[tuple[str, Any] | None] = ContextVar("_around", default=None)
"""Unit and bar of the task that is under way."""


@contextmanager
def progress(total: int, name: str, unit: str, shown: bool = True) -> Iterator[Any]:
    """What counts units with its `update(n=1)`: a bar, or lines.

    Within a task that counts the same unit as a whole, it is that task's.
    """
    around = _around.get()
    if around is not None and around[0] == unit:
        yield around[1]
    elif shown and not watched():
        yield Lines(total, name, unit)
    else:
        with tqdm(total=total, desc=name, unit=unit, leave=False, disable=not shown) as bar:
            yield bar


@contextmanager
def one_progress(total: int, name: str, unit: str) -> Iterator[Any]:
    """The one bar of a task of many parts, each of which would show its own."""
    with progress(total, name, unit) as bar:
        before = _around.set((unit, bar))
        try:
            yield bar
        finally:
            _around.reset(before)


def duration(seconds: float) -> str:
    """Whole seconds as H:MM:SS."""
    return str(timedelta(seconds=round(seconds)))
