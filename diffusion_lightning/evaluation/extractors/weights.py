"""The weights of extractors: fetched once into a cache, and known by their hashes."""

import os
import socket
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from diffusion_lightning.errors import UserError
from diffusion_lightning.hashing import file_sha256

CACHE = "DIFFUSION_LIGHTNING_CACHE"
"""The environment variable that moves the cache."""


@dataclass(frozen=True)
class Download:
    """A file on the net."""

    url: str
    owner: str
    sha256: str


INCEPTION = Download(
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "the torch-fidelity project (github.com/toshas/torch-fidelity)",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
"""InceptionV3 of 2015-12-05, ported from TensorFlow, with which the field's FID is computed; 91 MB."""


def cache_folder() -> Path:
    """Where weights and reference statistics are kept: $DIFFUSION_LIGHTNING_CACHE, or the user's cache."""
    from platformdirs import user_cache_path

    return Path(os.environ.get(CACHE) or user_cache_path("diffusion-lightning"))


def fetch(download: Download) -> Path:
    """The file in the cache, downloaded with a progress bar if it is not there yet.

    Raises:
        UserError: if it cannot be had or is not what it should be.
    """
    file = cache_folder() / download.url.rpartition("/")[2]
    if not file.is_file():
        _download(download, file)
    if file_sha256(file) != download.sha256:
        raise UserError(f"{file} is damaged (its SHA-256 is not {download.sha256}); remove it.")
    return file


def _download(download: Download, file: Path) -> None:
    from torch.hub import download_url_to_file

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(20)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(download.url, str(file), hash_prefix=download.sha256)
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"could not download {file.name} from {download.owner} ({shorten(str(error), 200)}). Where there "
            "is a network, run `python -m diffusion_lightning.commands.prefetch` and copy the file into "
            f"{file.parent} (${CACHE} moves that folder), or set extractor.weights=<the file>; to train "
            "without FID, leave callbacks=fid out."
        ) from None
    finally:
        socket.setdefaulttimeout(before)
