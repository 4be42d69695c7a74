"""Evaluations of networks inside walks, without gradients."""

import torch

from benchmarks import ours
from benchmarks.peers import peer
from benchmarks.settings import EVALUATIONS, Row, Settings
from benchmarks.timing import Stopwatch
from diffusion_lightning.config.build import build_denoiser, build_sampling
from diffusion_lightning.sampling.generate import generate

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
    n, data = cfg.dataset.batch_size, cfg.dataset
    speed = ours.speed_of(cfg, IMAGES / n * cfg.sampler.steps, training=False)
    cfg.sampler.steps = EVALUATIONS
    torch.manual_seed(cfg.seed)
    denoiser, sampling = build_denoiser(cfg).to(settings.device).eval(), build_sampling(cfg)
    speed.prepare(denoiser.network)
    denoiser.dtype = speed.dtype
    labels = [k % data.num_classes for k in range(n)] if sampling.guidance.uses_labels else None
    shape = data.shape
    watch = Stopwatch(settings, per=EVALUATIONS)
    while watch.lap():
        list(generate(sampling, denoiser, labels, range(n), shape, cfg.seed, n))
    row = ours.row(cfg, watch, speed, denoiser.network, train=False)
    return row | {"flop": row["flop"] * (2 if labels else 1)}  # guidance evaluates two branches
