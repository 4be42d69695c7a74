"""What torchrun and SLURM tell the processes that they start: which of them this is, and of which run."""

import os
from datetime import datetime
from pathlib import Path

from diffusion_lightning.errors import UserError


def process_number() -> int:
    """The rank of this process among those that were started together; 0 if it was started alone."""
    return int(_told("RANK", "SLURM_PROCID") or 0)


def config_folder(run_dir: str, resume: bool) -> str | None:
    """Where Hydra keeps the config in a run's folder; none if that is not this process's to write.

    The config with which a run was started stays: those with which it is gone on with lie below it, and a
    command that does not want to go on with it will be refused.
    """
    started = (Path(run_dir) / ".hydra").exists()
    if process_number() or (started and not resume):
        return None
    return f".hydra/resumed/{datetime.now():%Y-%m-%d_%H-%M-%S}" if started else ".hydra"


def job_name(name: str) -> str:
    """A name of its own for the log of each process."""
    return f"{name}_{process_number()}" if process_number() else name


def run_name() -> str:
    """A name for the run's folder, the same in all processes: the time, or the job that they belong to.

    Raises:
        UserError: if several processes were started together, and nothing says as what.
    """
    if int(_told("WORLD_SIZE", "SLURM_NTASKS") or 1) == 1:
        return f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
    job = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    job = job if job != "none" else os.environ.get("SLURM_JOB_ID", "none")
    if job == "none":
        raise UserError(
            "several processes were started together, and need one folder: give hydra.run.dir=<folder>, or "
            "torchrun --rdzv-id=<name>."
        )
    return job


def _told(torchrun: str, slurm: str) -> str | None:
    """torchrun within a SLURM job knows better."""
    return os.environ.get(torchrun, os.environ.get(slurm))
