"""Ctrl-C in any command: one line, and the exit code of a shell."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from diffusion_lightning.commands.run_names import process_number

EXIT_CODE = 128 + signal.SIGINT


@contextmanager
def interruptible() -> Iterator[None]:
    """End the program with one line, without a traceback, if it is interrupted inside.

    Raises:
        SystemExit: with 130.
    """
    try:
        yield
    except KeyboardInterrupt:
        if not process_number():
            print("\ninterrupted" if sys.stderr.isatty() else "interrupted", file=sys.stderr)
        raise SystemExit(EXIT_CODE) from None
