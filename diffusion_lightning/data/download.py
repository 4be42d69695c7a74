"""torchvision's downloads, with an error that says what to put where."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from diffusion_lightning.errors import UserError


@contextmanager
def downloading(name: str, files: str) -> Iterator[None]:
    """Turn any failure inside into one line that names the files and their place.

    Raises:
        UserError: if the download fails or a file is damaged.
    """
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(20)
    try:
        yield
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(
            f"{name} is not there and could not be downloaded ({reason}); put {files}, or set "
            "data_dir= to where they are."
        ) from None
    finally:
        socket.setdefaulttimeout(before)
