"""Evaluations of networks inside walks, without gradients."""

from collections.abc import Callable

import torch
from omegaconf import DictConfig

from benchmarks import ours
from benchmarks.peers import peer
from benchmarks.settings import EVALUATIONS, Row, Settings
from benchmarks.timing import Stopwatch
from diffusion_lightning.config.build import build_denoiser, build_sampling
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.sampling.generate import generate
from diffusion_lightning.speed import Speed

IMAGES = 50_000
"""What a run draws for FID; so long a run may compile."""


def run(case: str, program: str, settings: Settings) -> list[Row]:
    """One program's walks."""
    if program == "ours":
        return [walks(case, settings)]
    if program == "ours-guided":
        return [walks(case, settings, "guidance=cfg", "guidance.scale=3")]
    if program == "ours-fp32":
        return [walks(case, settings, "speed=plain")]
    return [peer(program).sample(case, program, settings)]


def walks(case: str, settings: Settings, *overrides: str) -> Row:
    """Short walks of DDIM as `python sample.py` makes them."""
    cfg = ours.composed(case, settings, *overrides)
    step, speed, denoiser = walk(cfg, settings)
    watch = Stopwatch(settings, per=EVALUATIONS)
    while watch.lap():
        step()
    row = ours.row(cfg, watch, speed, denoiser.network, train=False)
    branches = 1 if cfg.guidance.scale in (0, 1) else 2
    return row | {"flop": row["flop"] * branches}


def walk(cfg: DictConfig, settings: Settings) -> tuple[Callable[[], object], Speed, Denoiser]:
    """What draws a batch in a walk of `EVALUATIONS` steps, with the speed and the denoiser that it uses."""
    n, shape = cfg.dataset.batch_size, ours.shape_of(cfg)
    speed = ours.speed_of(cfg, IMAGES / n * cfg.sampler.steps, training=False)
    cfg.sampler.steps = EVALUATIONS
    torch.manual_seed(cfg.seed)
    denoiser, sampling = build_denoiser(cfg).to(settings.device).eval(), build_sampling(cfg)
    speed.prepare(denoiser.network)
    denoiser.dtype = speed.dtype
    labels = [k % cfg.dataset.num_classes for k in range(n)] if sampling.guidance.uses_labels else None

    def step() -> object:
        return list(generate(sampling, denoiser, labels, range(n), shape, cfg.seed, n))

    return step, speed, denoiser
