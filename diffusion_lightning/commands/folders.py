"""Folders of runs, samples and evaluations: a name of its own for each, and one process at a time."""

import atexit
import errno
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from itertools import count
from pathlib import Path

from filelock import FileLock, Timeout
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.run_names import job_of_processes, process_number
from diffusion_lightning.commands.swept import swept
from diffusion_lightning.errors import UserError
from diffusion_lightning.files import LOCK

log = logging.getLogger(__name__)

NO_LOCKS = errno.ENOLCK, errno.EOPNOTSUPP
"""Errors of a file system without locks, such as some network drives."""


def new_folder(parent: str) -> str:
    """A new folder, `<parent>/<time>`; -2, -3, … follow if others start in the same second.

    It is made at once, as only that decides which of several processes has the name, on one machine or on
    many; one that stays empty is removed in the end. Of processes that were started together the first makes
    it, and the others write nowhere.
    """
    start = f"{parent}/{datetime.now():%Y-%m-%d_%H-%M-%S}"
    if process_number():
        return start
    for number in count(1):
        folder = Path(start if number == 1 else f"{start}-{number}")
        new = _missing(folder)
        with suppress(FileExistsError):
            folder.mkdir(parents=True)
            atexit.register(remove_if_empty, *new)
            break
    return str(folder)


def run_folder(parent: str) -> str:
    """The folder of a new run in the parent: named by its time, or in several processes by their job.

    Raises:
        UserError: if several processes were started together as no job.
    """
    job = job_of_processes()
    return new_folder(parent) if job is None else f"{parent}/{job}"


def job_out(cfg: DictConfig) -> Path:
    """The folder `out`, where a command writes.

    Raises:
        UserError: if jobs of a sweep would share it.
    """
    out, typed = Path(str(cfg.out)), str(OmegaConf.to_container(cfg)["out"])  # type: ignore[index, call-overload]
    if "${" not in typed and swept() - {"out"}:
        raise UserError(
            f"out={out} is one folder for jobs of a sweep that differ in other options: leave it out, as "
            "each job has a folder of its own; hydra.sweep.dir=<folder> is that of the sweep."
        )
    return out


def make_folder(folder: Path, option: str = "out") -> None:
    """Make a folder, if it does not exist.

    Raises:
        UserError: if it cannot be made, or nothing can be written there.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{option}={folder} cannot be a folder ({error.strerror}); choose another.") from None
    if not os.access(folder, os.W_OK):
        raise UserError(f"{option}={folder} cannot be written to; choose another.")


def check_free(out: Path, overwrite: bool) -> None:
    """Refuse a held folder with files of somebody's, unless they may be written over.

    Raises:
        UserError: if it is not empty.
    """
    if not overwrite and any(path.name != LOCK for path in out.iterdir()):
        raise UserError(f"{out} already holds files: add overwrite=true, or choose another out=.")


@contextmanager
def held(folder: Path, option: str) -> Iterator[None]:
    """The folder, made if it is not there, for this process alone.

    The lock is the operating system's, so that of a killed process ends with it. Of processes that were
    started together the first holds the folder for all.

    Args:
        folder: if it was made, it is removed again where nothing was written, as are those above it.
        option: what chooses another folder on the command line.

    Raises:
        UserError: if it cannot be made or written to, or another process holds it.
    """
    if process_number():
        yield
        return
    new = _missing(folder)
    make_folder(folder, option)
    lock = _locked(folder, option)
    try:
        yield
    finally:
        if lock:
            with suppress(OSError):  # Windows removes it when it is released
                (folder / LOCK).unlink()
            lock.release()
        remove_if_empty(*new)


def _locked(folder: Path, option: str) -> FileLock | None:
    """The lock of the folder; None with a warning on a disk that knows no locks."""
    lock = FileLock(folder / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise UserError(
            f"{folder} is in use by another process: wait for its end, or choose another {option}=<folder>."
        ) from None
    except OSError as error:
        if error.errno in NO_LOCKS:
            log.warning("%s cannot be locked (%s): start no other command there", folder, error.strerror)
            return None
        raise UserError(
            f"{option}={folder} cannot be written to ({error.strerror}); choose another."
        ) from None
    return lock


def _missing(folder: Path) -> list[Path]:
    """Of the folder and those above it the ones that are not there."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def remove_if_empty(*folders: Path) -> None:
    """Remove folders in which nothing was written after all, but not the one that we are in."""
    for folder in folders:
        with suppress(OSError):
            if folder.resolve() != Path.cwd():
                folder.rmdir()
    # A log file there would be made at its first line
    for handler in list(logging.root.handlers):
        if isinstance(handler, logging.FileHandler) and not Path(handler.baseFilename).parent.exists():
            logging.root.removeHandler(handler)
