"""One job a GPU: each process of a sweep on one machine takes a GPU for itself."""

import functools
import os
import tempfile
from pathlib import Path
from typing import IO, Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from diffusion_lightning.errors import UserError


def visible_gpus() -> list[str]:
    """The names of the GPUs that this process may use, found without starting CUDA."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        import torch

        return [str(number) for number in range(torch.cuda.device_count())]
    return [name for name in visible.replace(" ", "").split(",") if name not in ("", "-1")]


# Once a process: CUDA cannot change its GPU later, and the lock is kept as long as the file is open
@functools.cache
def claim_gpu() -> IO[str] | None:
    """Let this process see nothing but the first free GPU, and keep others off it until the process ends.

    Returns:
        The locked file; None where there is no GPU.

    Raises:
        UserError: if none is free.
    """
    import fcntl

    gpus = visible_gpus()
    for gpu in gpus:
        file = (Path(tempfile.gettempdir()) / f"diffusion-lightning-{os.getuid()}-gpu-{gpu}.lock").open("w")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            continue
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        return file
    if gpus:
        raise UserError(
            f"every GPU ({', '.join(gpus)}) has a job of this or another sweep already; "
            f"hydra/launcher=joblib hydra.launcher.n_jobs={len(gpus)} starts no more at once."
        )
    return None


class OneGPUPerJob(Callback):
    """Claims a GPU for the process before its first job."""

    def on_job_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Claim it.

        Raises:
            SystemExit: if none is free; Hydra makes a mere warning of any other exception.
        """
        try:
            claim_gpu()
        except UserError as error:
            raise SystemExit(f"error: {error}") from None
