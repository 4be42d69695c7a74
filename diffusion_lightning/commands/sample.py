"""`diffusion-sample`: draw from a checkpoint, `diffusion-sample checkpoint=<run dir> sampler.steps=50`."""

import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.folders import held, job_out
from diffusion_lightning.commands.task import check_checkpoint, run_command
from diffusion_lightning.commands.unread import refuse_typed
from diffusion_lightning.errors import UserError, check_at_least
from diffusion_lightning.files import write_json

if TYPE_CHECKING:
    from diffusion_lightning.sampling.request import SamplingRequest
    from diffusion_lightning.sampling.tasks.base import Task

log = logging.getLogger("sample")


def sample(cfg: DictConfig) -> Path:
    """Run the task as configured, record it in sampling.json and return the folder."""
    check_checkpoint(cfg)
    check_at_least("batch_size", cfg.batch_size)
    check_at_least("seed", cfg.seed, 0, 2**64 - 1)
    out = job_out(cfg)
    with held(out, "out"):
        _sample(cfg, out)
    return out


def _sample(cfg: DictConfig, out: Path) -> None:
    from diffusion_lightning.config.instantiate import instantiate
    from diffusion_lightning.sampling.request import load_request

    if (out / "sampling.json").exists() and not cfg.overwrite:
        raise UserError(f"{out} already holds samples: add overwrite=true, or choose another out=.")
    run = instantiate(cfg.task)
    refuse_typed(run.unread, "the task goes by")
    request = load_request(cfg)
    start = time.perf_counter()
    figure = run_whole(run, request, out)
    seconds = time.perf_counter() - start
    write_json(record(cfg, request, seconds), out / "sampling.json")
    log.info("%s, %.1f s: %s", evaluations(request), seconds, figure)


def run_whole(task: "Task", request: "SamplingRequest", out: Path) -> Path:
    """Run the task; how long it is as a whole is said before, and shown in one bar."""
    from diffusion_lightning.progress import one_progress

    total = task.evaluations(request)
    if not total:
        return task(request, out)
    name = type(task).__name__
    log.info("%s: %s evaluations of the network", name, f"{total:,}")
    with one_progress(total, name, "evaluation"):
        return task(request, out)


def evaluations(request: "SamplingRequest") -> str:
    """What all walks took: `60 evaluations in 2 walks of 20 to 40`."""
    counts = [walk.nfe for walk in request.model.walks]
    if not counts:
        return "no evaluations"
    low, high = min(counts), max(counts)
    each = f"{low:,}" if low == high else f"{low:,} to {high:,}"
    walks = "1 walk" if len(counts) == 1 else f"{len(counts)} walks of {each}"
    return f"{sum(counts):,} evaluations in {walks}"


def record(cfg: DictConfig, request: "SamplingRequest", seconds: float) -> dict[str, Any]:
    """What sampling.json says of the task."""
    from dataclasses import asdict

    from diffusion_lightning.checkpoints.reader import find_checkpoint

    asked: Any = OmegaConf.to_container(cfg, resolve=True)
    keys = "weights", "task", "sampler", "clamp", "labels", "num_images", "batch_size", "seed"
    return {
        "checkpoint": str(find_checkpoint(cfg.checkpoint)),
        "data": request.data_title,
        **{key: asked[key] for key in keys},
        "grid": asked["sampler"]["grid"],
        "guidance": asdict(request.sampling.guidance),
        "dtype": request.dtype,
        "nfe": request.nfe,
        "seconds": round(seconds, 3),
    }


def main() -> None:
    """The command line."""
    run_command(sample, "sample")


if __name__ == "__main__":
    main()
