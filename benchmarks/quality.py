"""How long people wait for good images: FID and seconds over samplers and steps, on one trained network."""

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

import diffusion_lightning as dl
from benchmarks import ours
from benchmarks.settings import Row, Settings
from diffusion_lightning.config.build import build_data, build_extractor
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.evaluation.measure import load_reference
from diffusion_lightning.evaluation.metrics.fid import frechet_distance
from diffusion_lightning.evaluation.statistics import ImageStatistics

IMAGES = 1000
BATCH = 100
SEED = 0

EVALUATIONS = 5, 10, 20, 50
"""Of the network in a walk."""

OURS = {
    "ddim": dl.DDIM,
    "ddpm": dl.DDPM,
    "heun": dl.Heun,
    "dpm_solver_pp": dl.DPMSolverPP,
    "deis": dl.DEIS,
}

THEIRS = {
    "DDIMScheduler": 1,
    "DDPMScheduler": 1,
    "HeunDiscreteScheduler": 2,
    "DPMSolverMultistepScheduler": 1,
    "DEISMultistepScheduler": 1,
    "UniPCMultistepScheduler": 1,
}
"""diffusers' classes as they come, but for the schedule, and the evaluations of each of their steps."""

SCALES = {"digits": 1.0, "mnist": 1.0, "cifar10": 3.0}
"""The guidance scale of each case; zoo:cifar10 is made for guidance."""

Draw = Callable[[int], Tensor]
"""Evaluations → images (N, C, H, W)."""


def run(case: str, program: str, settings: Settings) -> list[Row]:
    """A row for each number of evaluations of one sampler: seconds for all images, and their FID."""
    model = dl.load(f"zoo:{case}", device=settings.device)
    draw = (our_draw if program in OURS else their_draw)(model, program, SCALES[case])
    fid = fid_of(case)
    rows = []
    for evaluations in EVALUATIONS[:1] if settings.quick else EVALUATIONS:
        start = time.perf_counter()
        images = draw(evaluations)
        seconds = time.perf_counter() - start
        label = f"{program}, {evaluations} evaluations"
        rows.append({"program": label, "seconds": [seconds], "images": len(images), "FID": fid(images)})
    return rows


def fid_of(case: str) -> Callable[[Tensor], float]:
    """FID to the training images, on the features of its own classifier."""
    cfg = ours.config(f"dataset={case}", f"extractor={case}")
    data, cfg = build_data(cfg)
    extractor = build_extractor(cfg)
    train = load_reference(data, extractor).train

    def fid(images: Tensor) -> float:
        drawn = ImageStatistics(len(images))
        drawn.add(extractor, dl.to_uint8(images), torch.zeros(len(images), dtype=torch.long), len(images))
        return frechet_distance(drawn, train)

    return fid


def labels_of(model: Any) -> list[int]:
    """The classes in turn."""
    return [k % model.num_classes for k in range(IMAGES)]


def steps_within(evaluations: int, per_step: int) -> int:
    """The most steps of a walk that take at most this many evaluations; the last step takes only one."""
    return (evaluations + per_step - 1) // per_step


def our_sampler(name: str, evaluations: int) -> dl.Sampler:
    """Our sampler within the evaluations, over equally spaced times, as diffusers' mostly walk."""
    steps = steps_within(evaluations, 1 + OURS[name]().step_evaluations)
    return OURS[name](steps=steps, grid=dl.Uniform())


def our_draw(model: Any, name: str, scale: float) -> Draw:
    """Walks of our sampler, given the labels and guided with the scale."""

    def draw(evaluations: int) -> Tensor:
        return model.sample(
            labels_of(model),
            sampler=our_sampler(name, evaluations),
            guidance=scale,
            seed=SEED,
            batch_size=BATCH,
            progress=False,
        )

    return draw


def their_draw(model: Any, name: str, scale: float) -> Draw:
    """Walks of diffusers' scheduler with the guided noise that our network predicts, its x0 clamped."""
    import diffusers

    T = model.denoiser.schedule.T
    scheduler = getattr(diffusers, name)(
        num_train_timesteps=T,
        trained_betas=model.denoiser.schedule.betas().float().numpy(),
    )
    guidance = dl.Guidance(p_uncond=0.1, scale=scale)

    @torch.no_grad()
    def walk(x: Tensor, y: Tensor, steps: int) -> Tensor:
        predict = SamplingModel(model.denoiser, guidance, dl.Static(), y)
        scheduler.set_timesteps(steps)
        x = x * scheduler.init_noise_sigma
        for t in scheduler.timesteps:
            scaled = scheduler.scale_model_input(x, t)
            x = scheduler.step(predict(scaled, (float(t) + 1) / T).eps, t, x).prev_sample
        return x

    def draw(evaluations: int) -> Tensor:
        model.prepare()
        torch.manual_seed(SEED)
        labels = torch.tensor(labels_of(model), device=model.device)
        shape = BATCH, *model.denoiser.network.image_shape
        steps = steps_within(evaluations, THEIRS[name])
        walks = (walk(torch.randn(shape, device=model.device), y, steps) for y in labels.split(BATCH))
        return torch.cat(list(walks)).clamp(-1, 1).cpu()

    return draw
