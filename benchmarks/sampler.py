"""What a sampler costs beside the network, and what its walks hold in memory."""

import math
import time
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from benchmarks import ours
from benchmarks.settings import Row, Settings
from diffusion_lightning.config.build import build_sampling
from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.noise import ImageNoise
from diffusion_lightning.diffusion.sampling_model import SamplingModel

SHAPE = 1, 28, 28
IMAGES = 64

WALKS = {
    "ddim": ("DDIM", 50),
    "ddpm": ("DDPM", 1000),
    "dpm_solver_pp": ("DPM-Solver++", 20),
    "heun": ("Heun", 18),
}
"""Our samplers with their names and steps."""

Walk = Callable[[], object]


class Free(nn.Module):
    """A network that returns its input."""

    num_classes = 10

    def __init__(self) -> None:
        super().__init__()
        self.unused = nn.Parameter(torch.zeros(1))  # says on which device the network is

    def forward(self, x: Tensor, time: Tensor, y: Tensor) -> Tensor:
        """The images (B, C, H, W) themselves."""
        return x


def run(case: str, program: str, settings: Settings) -> list[Row]:
    """The steps of all samplers in turn in one process, or the memory of short and long walks."""
    return held(settings) if case == "memory" else steps(settings)


def our_walk(sampler: str, number: int, settings: Settings) -> Walk:
    """A walk of our sampler, as shipped."""
    cfg = ours.composed("mnist", settings, f"sampler={sampler}", f"sampler.steps={number}")
    sampling, schedule = build_sampling(cfg), instantiate(cfg.schedule)
    denoiser = Denoiser(Free().to(settings.device), schedule, instantiate(cfg.parameterization)).eval()
    model = SamplingModel(denoiser, sampling.guidance, sampling.clamp)
    noise = ImageNoise(0, range(IMAGES), SHAPE, settings.device)
    latents = noise()
    return lambda: sampling.sampler(model, latents, noise=noise)


def their_walks(settings: Settings) -> dict[str, Walk]:
    """The walks of diffusers' schedulers, as their pipelines take them."""
    from diffusers import DDIMScheduler, DDPMScheduler, DPMSolverMultistepScheduler, HeunDiscreteScheduler

    rng = torch.Generator(settings.device).manual_seed(0)
    latents = torch.randn(IMAGES, *SHAPE, device=settings.device, generator=rng)

    def walk(scheduler: Any, number: int, **options: Any) -> Walk:
        @torch.no_grad()
        def walked() -> Tensor:
            scheduler.set_timesteps(number)
            x = latents
            for t in scheduler.timesteps:
                x = scheduler.step(scheduler.scale_model_input(x, t), t, x, **options).prev_sample
            return x

        return walked

    return {
        "ddim": walk(DDIMScheduler(), 50),
        "ddpm": walk(DDPMScheduler(), 1000, generator=rng),
        "dpm_solver_pp": walk(DPMSolverMultistepScheduler(), 20),
        "heun": walk(HeunDiscreteScheduler(), 18),
    }


def steps(settings: Settings) -> list[Row]:
    """Seconds of a step of each sampler: many walks, all samplers in turn."""
    walks = {(name, "ours"): our_walk(name, number, settings) for name, (_, number) in WALKS.items()}
    missing: list[Row] = []
    try:
        walks |= {(name, "diffusers"): walk for name, walk in their_walks(settings).items()}
    except ImportError as error:
        missing = [{"case": _name(name), "program": "diffusers", "error": str(error)} for name in WALKS]
    rows: dict[tuple[str, str], Row] = {
        (sampler, program): {"case": _name(sampler), "program": program, "seconds": []}
        for sampler, program in walks
    }
    for turn in range(2 if settings.quick else 12):
        for (sampler, program), walk in walks.items():
            seconds = _seconds(walk, settings) / WALKS[sampler][1]
            if turn > 0:  # the first one warms up
                rows[sampler, program]["seconds"].append(seconds)
    return [*rows.values(), *missing]


def _name(sampler: str) -> str:
    name, number = WALKS[sampler]
    return f"{name}, {number} steps"


def _seconds(walk: Walk, settings: Settings) -> float:
    wait = torch.cuda.synchronize if settings.device == "cuda" else lambda: None
    wait()
    start = time.perf_counter()
    walk()
    wait()
    return time.perf_counter() - start


def held(settings: Settings) -> list[Row]:
    """The peak of the images that walks of DDPM of 10 and of 1000 steps hold."""
    return [
        {"program": f"DDPM, {number} steps", "memory": _peak(our_walk("ddpm", number, settings), settings)}
        for number in (10, 1000)
    ]


def _peak(walk: Walk, settings: Settings) -> int:
    """Bytes of all batches of images of the walk that live at once."""
    if settings.device == "cuda":
        torch.cuda.reset_peak_memory_stats()
        walk()
        return torch.cuda.max_memory_allocated()
    with LiveBytes(least=IMAGES * math.prod(SHAPE)) as live:
        walk()
    return live.peak


class LiveBytes(TorchDispatchMode):
    """Counts the bytes of the storages that operations inside it read or make, until they are freed.

    Args:
        least: bytes; smaller ones, such as the times of the walk, do not count.
    """

    def __init__(self, least: int) -> None:
        super().__init__()
        self.least = least
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Do it, and look at what it was given and what it gave."""
        result = func(*args, **(kwargs or {}))
        for leaf in tree_leaves((args, kwargs, result)):
            if isinstance(leaf, Tensor):
                self._see(leaf.untyped_storage())
        return result

    def _see(self, storage: torch.UntypedStorage) -> None:
        number, size = storage._cdata, storage.nbytes()
        if size < self.least or number in self._known:
            return
        self._known.add(number)
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, number, size)

    def _forget(self, number: int, size: int) -> None:
        self._known.discard(number)
        self.now -= size
