"""SHA-256 of files, tensors and texts: what a figure was computed from."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from torch import Tensor


def file_sha256(file: Path) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits."""
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def listing_sha256(files: Iterable[Path]) -> str:
    """SHA-256 of files' absolute names, sizes and times: none of them is opened."""
    facts = ((str(file.absolute()), file.stat()) for file in files)
    return text_sha256(repr([(name, stat.st_size, stat.st_mtime_ns) for name, stat in facts]))


def tensors_sha256(named: Iterable[tuple[str, Tensor]]) -> str:
    """SHA-256 of named tensors: of their names, types, shapes and bytes, in the given order."""
    digest = hashlib.sha256()
    for name, tensor in named:
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().contiguous().numpy().data)
    return digest.hexdigest()


def text_sha256(text: str) -> str:
    """SHA-256 of a text."""
    return hashlib.sha256(text.encode()).hexdigest()
