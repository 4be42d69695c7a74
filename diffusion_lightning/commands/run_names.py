"""Names of runs and of their logs, and what torchrun and SLURM tell the processes that they start."""

import os
from datetime import datetime
from pathlib import Path

from diffusion_lightning.errors import UserError


def process_number() -> int:
    """The rank of this process among those that were started together; 0 if it was started alone."""
    return int(_told("RANK", "SLURM_PROCID") or 0)


def config_folder(run_dir: str, resume: bool) -> str | None:
    """The folder within a run's folder for Hydra's copy of the config; None if this process must write none.

    Only process 0 writes it. The config of a run's start is kept: those of resumed runs go to folders below
    it. A command that does not resume the run writes none, as it will be refused.
    """
    started = (Path(run_dir) / ".hydra").exists()
    if process_number() or (started and not resume):
        return None
    return f".hydra/resumed/{datetime.now():%Y-%m-%d_%H-%M-%S}" if started else ".hydra"


def job_name(name: str) -> str:
    """The name of this process's log: each process has its own."""
    return f"{name}_{process_number()}" if process_number() else name


def run_name() -> str:
    """The name of the run's folder: the time, or in several processes the job that they belong to.

    Raises:
        UserError: if several processes were started together as no job.
    """
    if int(_told("WORLD_SIZE", "SLURM_NTASKS") or 1) == 1:
        return f"{datetime.now():%Y-%m-%d_%H-%M-%S}"
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
