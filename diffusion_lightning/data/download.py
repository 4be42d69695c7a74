"""torchvision's downloads, with an error that says which files to put where."""

import pickle
import socket
import struct
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from textwrap import shorten

from diffusion_lightning.compat import without_download_bars
from diffusion_lightning.errors import UserError
from diffusion_lightning.progress import watched

# OSError includes a refused connection, a time-out and a read-only folder; RuntimeError is torchvision's own.
# Damaged files raise the others in its parsers.
FAILURES = (
    OSError,
    RuntimeError,
    AssertionError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
    tarfile.TarError,
)


@contextmanager
def downloading(name: str, files: str) -> Iterator[None]:
    """Turn any failure inside into one line that names the files and their place.

    Raises:
        UserError: if the download fails or a file is damaged.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(20)
    try:
        with nullcontext() if watched() else without_download_bars():
            yield
    except FAILURES as error:
        reason = shorten(str(error), 200) or type(error).__name__
        raise UserError(
            f"could not download or read {name} ({reason}); put {files}, or set data_dir=<folder> to "
            "where they are, or may be downloaded."
        ) from None
    finally:
        socket.setdefaulttimeout(before)
