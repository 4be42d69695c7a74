"""Models from the Hugging Face hub: `hf:owner/name`, or of one revision `hf:owner/name@revision`.

Files lie in the library's own cache, and its own login says who may read them; nothing of either is written
down here. Only repositories are read that hold nothing but data.
"""

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any

from diffusion_lightning.checkpoints.safetensors_file import MODEL
from diffusion_lightning.compat import needs
from diffusion_lightning.errors import UserError, first_line
from diffusion_lightning.hashing import file_sha256
from diffusion_lightning.progress import watched

log = logging.getLogger(__name__)

DATA = {
    *(".safetensors", ".onnx", ".json", ".csv", ".yaml", ".yml", ".md", ".txt"),
    *(".png", ".jpg", ".jpeg", ".webp", ".gif"),
    *("", ".gitattributes"),
}
"""Endings of files that hold no code; any other may be a program, a pickle or an archive of either."""

NAMED = 3
"""Files that a message names."""


def fetched(name: str) -> Path:
    """The weights of the repository `owner/name[@revision]`, downloaded unless the cache has them.

    The folder above the file is named by the commit. Without the network the cache's files are taken.

    Raises:
        UserError: if there is no such repository, revision or file, it holds code, it cannot be reached and
            is not in the cache, or a file is not the one that the hub describes.
    """
    hub = hub_library()
    repository, _, asked = name.partition("@")
    check_repository(repository)
    with hub_errors(f"hf:{name}"):
        try:
            found = hub.HfApi().model_info(repository, revision=asked or None, files_metadata=True)
        except Exception as error:
            if not _is_unreachable(error):
                raise
            return _cached(name)
    there = {file.rfilename: file for file in found.siblings}
    _refuse_code(name, there)
    if MODEL not in there:
        raise UserError(
            f"hf:{name} has no {MODEL}, which diffusion-lightning's push writes; it holds "
            f"{_listed(sorted(there))}."
        )
    with hub_errors(f"hf:{name}"):
        path = Path(hub.hf_hub_download(repository, MODEL, revision=asked or None))
    if found.sha not in path.parts:
        raise UserError(f"hf:{name} was changed while it was read; try again.")
    if not _is_as_described(path, there[MODEL]):
        path.resolve().unlink()
        path.unlink(missing_ok=True)  # the link to it
        raise UserError(
            f"hf:{name}: {MODEL} is not the file that the hub describes: its hash is another one. It was "
            "removed again; try once more."
        )
    log.info("hf:%s is revision %s", name, found.sha)
    return path


def hub_library() -> Any:
    """The hub's library, which draws its bars only where somebody watches.

    Raises:
        UserError: if it is not installed.
    """
    hub = needs("huggingface_hub", "hub")
    if not watched():
        needs("huggingface_hub.utils", "hub").disable_progress_bars()
    return hub


def is_repository(name: str) -> bool:
    """Whether it is owner/name, as repositories of the hub are called."""
    return bool(re.fullmatch(r"[\w.-]+/[\w.-]+", name))


def check_repository(repository: str) -> None:
    """Refuse what is no name of a repository.

    Raises:
        UserError: unless it is `owner/name`.
    """
    if not is_repository(repository):
        raise UserError(f"{repository!r} is no repository of the hub; it must be owner/name.")


def code_among(names: Iterable[str]) -> list[str]:
    """The names that may be of programs, pickles or archives, as they do not end as data do."""
    # Of a name such as .gitattributes all is the ending
    endings = {name: PurePosixPath("_" + PurePosixPath(name).name.lower()).suffix for name in names}
    return sorted(name for name, ending in endings.items() if ending not in DATA)


def _refuse_code(name: str, there: Iterable[str]) -> None:
    if found := code_among(there):
        raise UserError(
            f"hf:{name} holds {_listed(found)}, which may be code, so nothing of it is downloaded: take a "
            "repository, or a revision, that holds safetensors, texts and pictures alone."
        )


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more files" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more if names else "nothing"


def _cached(name: str) -> Path:
    """The weights as the cache has them."""
    import huggingface_hub as hub

    repository, _, asked = name.partition("@")
    path = hub.try_to_load_from_cache(repository, MODEL, revision=asked or None)
    if not isinstance(path, str):
        raise UserError(
            f"hf:{name} cannot be reached, and is not in the cache: connect to the network once, or give a "
            "file."
        )
    file = Path(path)
    log.warning("hf:%s cannot be reached: taken from the cache, revision %s", name, file.parent.name)
    return file


def _is_as_described(path: Path, described: Any) -> bool:
    """Whether the file has the hash that the hub states: SHA-256 of a large file, git's of another."""
    if described.lfs:
        return file_sha256(path) == described.lfs.sha256
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest() == described.blob_id


@contextmanager
def hub_errors(what: str) -> Iterator[None]:
    """What the hub's library raises, as one line that begins with what was wanted."""
    from huggingface_hub import errors

    try:
        yield
    except UserError:
        raise
    except errors.GatedRepoError:
        raise UserError(f"{what} asks for consent: give it on the hub's page, then: hf auth login.") from None
    except errors.RevisionNotFoundError:
        raise UserError(f"{what}: there is no such revision; give a branch, a tag or a commit.") from None
    except errors.RepositoryNotFoundError:
        raise UserError(f"{what}: there is no such repository, or it is private: hf auth login.") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code
        if status in (401, 403):
            raise UserError(f"{what}: the hub refuses it ({status}); hf auth login lets one in.") from None
        raise UserError(f"{what}: the hub answers with an error ({status}); try again later.") from None
    except Exception as error:
        if _is_unreachable(error) or isinstance(error, OSError):
            raise UserError(f"{what} cannot be transferred ({first_line(error)}); try again.") from None
        raise


def _is_unreachable(error: Exception) -> bool:
    """Whether there is no network, or the hub is down or told not to be asked."""
    from huggingface_hub import errors

    if isinstance(error, errors.HfHubHTTPError):
        return error.response.status_code >= 500
    # The library's HTTP client is another one in each of its versions
    client = type(error).__module__.startswith(("httpx", "requests"))
    return client or isinstance(error, errors.OfflineModeIsEnabled)
