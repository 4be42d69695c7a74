"""The weights of extractors: downloaded once into the cache, and checked by their hashes."""

import socket
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.cache import CACHE, cache_folder
from diffusion_lightning.hashing import file_sha256
from diffusion_lightning.progress import watched


@dataclass(frozen=True)
class Download:
    """A file on the internet."""

    url: str
    owner: str
    sha256: str


INCEPTION = Download(
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth",
    "the torch-fidelity project (github.com/toshas/torch-fidelity)",
    "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2",
)
"""InceptionV3 of 2015-12-05, ported from TensorFlow, which computes the field's FID; 91 MB."""


def fetch(download: Download) -> Path:
    """The file in the cache, downloaded with a progress bar if it is missing.

    Raises:
        UserError: if it cannot be downloaded, or does not have its hash.
    """
    file = cache_folder() / download.url.rpartition("/")[2]
    if not file.is_file():
        _download(download, file)
    if file_sha256(file) != download.sha256:
        raise UserError(f"{file} is damaged (its SHA-256 is not {download.sha256}); remove it.")
    return file


def known_weights(file: Path, sha256: str | None) -> Path:
    """The file of an extractor's weights, if it has this hash; None accepts any file.

    Raises:
        UserError: if it is missing, or has another hash.
    """
    if not file.is_file():
        raise UserError(f"no file {file}; weights must be a file of the extractor's weights.")
    if sha256 is not None and (found := file_sha256(file)) != sha256:
        raise UserError(
            f"{file} has the SHA-256 {found}, but sha256 is {sha256}; give new weights their own hash, or "
            "sha256=null: figures of different extractors do not compare."
        )
    return file


def _download(download: Download, file: Path) -> None:
    from torch.hub import download_url_to_file

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(20)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        download_url_to_file(download.url, str(file), hash_prefix=download.sha256, progress=watched())
    except (OSError, RuntimeError) as error:
        raise UserError(
            f"could not download {file.name} from {download.owner} ({shorten(str(error), 200)}). Where there "
            "is a network, run `python -m diffusion_lightning.commands.prefetch` and copy the file into "
            f"{file.parent} (${CACHE} moves that folder), or set extractor.weights=<the file>. On CIFAR-10, "
            "extractor=cifar10 needs no download, but its figures compare with no FID of Inception. To train "
            "without FID, leave callbacks=fid out."
        ) from None
    finally:
        socket.setdefaulttimeout(before)
