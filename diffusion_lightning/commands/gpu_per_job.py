"""One GPU per job: each process of a sweep on one machine takes a GPU of its own."""

import functools
import getpass
import os
import tempfile
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from diffusion_lightning.errors import UserError


def visible_gpus() -> list[str]:
    """The names of the GPUs that are visible to this process, without initializing CUDA."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        import torch

        return [str(number) for number in range(torch.cuda.device_count())]
    return [name for name in visible.replace(" ", "").split(",") if name not in ("", "-1")]


# Once per process: CUDA cannot change its GPU later, and the lock lasts as long as its object
@functools.cache
def claim_gpu() -> FileLock | None:
    """Restrict this process to the first free GPU, and lock that GPU until the process ends.

    Returns:
        The lock; None on a machine without a GPU.

    Raises:
        UserError: if no GPU is free.
    """
    gpus = visible_gpus()
    owner = os.getuid() if hasattr(os, "getuid") else getpass.getuser()  # Windows has no numbers
    for gpu in gpus:
        lock = FileLock(Path(tempfile.gettempdir()) / f"diffusion-lightning-{owner}-gpu-{gpu}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        return lock
    if gpus:
        raise UserError(
            f"every GPU ({', '.join(gpus)}) already has a job of this or another sweep; "
            f"hydra/launcher=joblib hydra.launcher.n_jobs={len(gpus)} runs at most one job per GPU."
        )
    return None


class OneGPUPerJob(Callback):
    """Hydra's callback that claims a GPU for the process before its first job."""

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Claim it.

        Raises:
            SystemExit: if no GPU is free; Hydra turns any other exception into a warning.
        """
        try:
            claim_gpu()
        except UserError as error:
            raise SystemExit(f"error: {error}") from None
