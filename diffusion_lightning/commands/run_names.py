"""What torchrun, SLURM and Lightning tell the processes that they start, and the names of their logs."""

import os

from diffusion_lightning.errors import UserError


def process_number() -> int:
    """The rank of this process among those that were started together; 0 if it was started alone."""
    number = _told("RANK", "SLURM_PROCID")
    if number is not None:
        return int(number)
    # Lightning tells the processes that it starts itself their numbers on each machine only
    return max(int(os.environ.get(name, 0)) for name in ("LOCAL_RANK", "NODE_RANK"))


def job_name(name: str) -> str:
    """The name of this process's log: each process has its own."""
    return f"{name}_{process_number()}" if process_number() else name


def job_of_processes() -> str | None:
    """The name of the job that several processes started together belong to; None for one process.

    Raises:
        UserError: if they belong to no job.
    """
    if int(_told("WORLD_SIZE", "SLURM_NTASKS") or 1) == 1:
        return None
    job = os.environ.get("TORCHELASTIC_RUN_ID", "none")
    job = job if job != "none" else os.environ.get("SLURM_JOB_ID", "none")
    if job == "none":
        raise UserError(
            "several processes were started together and need one folder: give hydra.run.dir=<folder>, or "
            "torchrun --rdzv-id=<name>."
        )
    return job


def _told(torchrun: str, slurm: str) -> str | None:
    """The value of torchrun's variable, otherwise of SLURM's: torchrun may run within a job of SLURM."""
    return os.environ.get(torchrun, os.environ.get(slurm))
