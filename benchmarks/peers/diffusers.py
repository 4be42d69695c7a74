"""diffusers' UNet2DModel, in the loops of its own examples, and with every lever pulled by hand."""

from collections.abc import Callable
from typing import Any

import torch
from diffusers import DDIMScheduler, DDPMScheduler, UNet2DModel
from diffusers.training_utils import EMAModel
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.data import random_batches
from benchmarks.settings import CASES, EVALUATIONS, Row, Settings
from benchmarks.timing import Stopwatch, dtype_name, flop
from diffusion_lightning.speed import Speed

NETWORKS: dict[str, dict[str, Any]] = {
    "mnist": {
        "layers_per_block": 1,
        "block_out_channels": [32, 64, 96],
        "down_block_types": ["DownBlock2D", "DownBlock2D", "AttnDownBlock2D"],
        "up_block_types": ["AttnUpBlock2D", "UpBlock2D", "UpBlock2D"],
        "attention_head_dim": 96,
    },
    "cifar10": {
        "layers_per_block": 2,
        "block_out_channels": [128, 256, 256, 256],
        "down_block_types": ["DownBlock2D", "AttnDownBlock2D", "DownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "UpBlock2D", "AttnUpBlock2D", "UpBlock2D"],
        "attention_head_dim": 256,
        "dropout": 0.1,
    },
}
"""Of the same widths, depths and attention as ours."""

SPEEDS = {
    "diffusers": Speed("32-true", compile=False, channels_last=False, allocator=False),
    "diffusers-bf16": Speed("bf16-mixed", compile=False, channels_last=False, allocator=True),
    "diffusers-levers": Speed("bf16-mixed", compile=True, channels_last=True, allocator=True),
}
"""As the library is, and with our levers."""


def network(case: str) -> Any:
    """The network of our size."""
    channels, size, _ = CASES[case].shape
    return UNet2DModel(sample_size=size, in_channels=channels, out_channels=channels, **NETWORKS[case])


def train(case: str, program: str, settings: Settings) -> Row:
    """Training steps as in examples/unconditional_image_generation."""
    speed = SPEEDS[program]
    unet, batches = _prepared(case, speed, settings, None), random_batches(case, settings)
    scheduler: Any = DDPMScheduler()
    optimizer = torch.optim.AdamW(unet.parameters(), fused=program != "diffusers")
    average = _average(program, unet)

    def step() -> None:
        images, _ = next(batches)
        noise = torch.randn(images.shape, device=images.device)
        times = torch.randint(0, scheduler.config.num_train_timesteps, (len(images),), device=images.device)
        noisy = scheduler.add_noise(images, noise, times)
        with _autocast(speed, settings):
            output = unet(noisy, times).sample
        loss = F.mse_loss(output.float(), noise)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average()
        if program == "diffusers":
            loss.item()  # their progress bar shows it

    watch = Stopwatch(settings)
    while watch.lap():
        step()
    return _row(case, speed, watch, settings, unet, train=True)


def sample(case: str, program: str, settings: Settings) -> Row:
    """Evaluations inside DDIM as in their DDIMPipeline."""
    speed = SPEEDS[program]
    unet = _prepared(case, speed, settings, "reduce-overhead").eval()
    scheduler: Any = DDIMScheduler()
    shape = CASES[case].images(settings), *CASES[case].shape

    @torch.no_grad()
    def walk() -> None:
        scheduler.set_timesteps(EVALUATIONS)
        images = torch.randn(shape, device=settings.device)
        for t in scheduler.timesteps:
            with _autocast(speed, settings):
                output = unet(images, t.to(settings.device)).sample
            images = scheduler.step(output.float(), t, images).prev_sample

    watch = Stopwatch(settings, per=EVALUATIONS)
    while watch.lap():
        walk()
    return _row(case, speed, watch, settings, unet, train=False)


def _prepared(case: str, speed: Speed, settings: Settings, mode: str | None) -> Any:
    """The network; where it is compiled, in this mode and for this one batch size, which is fastest."""
    speed.prepare_process()
    torch.manual_seed(0)
    unet: Any = network(case)
    unet.to(
        settings.device, memory_format=torch.channels_last if speed.channels_last else torch.preserve_format
    )
    if speed.compile:
        unet.compile(mode=mode)
    return unet


def _autocast(speed: Speed, settings: Settings) -> torch.autocast:
    return torch.autocast(settings.device, speed.dtype, enabled=speed.dtype != torch.float32)


def _average(program: str, unet: nn.Module) -> Callable[[], None]:
    """What averages the weights: their own class, or what it would be at its fastest."""
    if program == "diffusers":
        average = EMAModel(unet.parameters(), decay=0.9999, use_ema_warmup=True, inv_gamma=1.0, power=0.75)
        return lambda: average.step(unet.parameters())
    weights: list[Tensor] = list(unet.parameters())
    averages = [weight.detach().clone() for weight in weights]

    def lerp() -> None:
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, 1e-4)

    return lerp


def _row(case: str, speed: Speed, watch: Stopwatch, settings: Settings, unet: nn.Module, train: bool) -> Row:
    images = CASES[case].images(settings)
    shape = images, *CASES[case].shape
    return watch.row(
        images,
        flop=flop(lambda: network(case), lambda net, x, t: net(x, t).sample, shape, train),
        dtype=dtype_name(speed.dtype),
        parameters=sum(p.numel() for p in unet.parameters()),
    )
