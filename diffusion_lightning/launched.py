"""What torchrun and SLURM tell the processes that they start: which of them this is, and of which run."""

import os
from datetime import datetime

from diffusion_lightning.errors import UserError


def process_number() -> int:
    """The rank of this process among those that were started together; 0 if it was started alone."""
    return int(_told("RANK", "SLURM_PROCID") or 0)


def main_process(name: str) -> str | None:
    """The name of what one process writes for all; none in the others."""
    return None if process_number() else name


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
