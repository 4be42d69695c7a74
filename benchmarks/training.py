"""Full training steps: our own, by Lightning and by a bare loop, and those of other libraries."""

from collections.abc import Callable
from contextlib import suppress
from tempfile import TemporaryDirectory
from typing import Any

import torch
from lightning.pytorch import Callback, LightningModule, Trainer, seed_everything
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_

from benchmarks import ours
from benchmarks.data import NUM_IMAGES, batches
from benchmarks.peers import peer
from benchmarks.settings import Row, Settings
from benchmarks.timing import Stopwatch
from diffusion_lightning.config.build import build_data, build_denoiser
from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.speed import Speed
from diffusion_lightning.training.build import build_module, build_trainer, choose_speed
from diffusion_lightning.training.data_module import DataModule


def run(case: str, program: str, settings: Settings) -> list[Row]:
    """One program's steps."""
    if program == "lightning":
        return [lightning(case, settings)]
    if program == "plain":
        return [plain(case, settings)]
    if program == "plain-fp32":
        return [plain(case, settings, "speed=plain")]
    return [peer(program).train(case, program, settings)]


class Enough(Exception):
    """Everything was timed."""


class Laps(Callback):
    """A lap from each batch's start to the next one's: all that Lightning does is in it."""

    def __init__(self, watch: Stopwatch) -> None:
        self.watch = watch

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        """The end of one lap and the start of the next."""
        if not self.watch.lap():
            raise Enough


def lightning(case: str, settings: Settings, *overrides: str) -> Row:
    """What `python train.py dataset=<case> <overrides>` does."""
    watch = Stopwatch(settings)
    with TemporaryDirectory() as folder:
        cfg = ours.composed(case, settings, f"paths.run_dir={folder}", *overrides)
        seed_everything(cfg.seed, workers=True, verbose=False)
        data, cfg = build_data(cfg)
        speed, cfg = choose_speed(cfg)
        speed.prepare_process()
        module, trainer = build_module(cfg), build_trainer(cfg)
        trainer.callbacks.append(Laps(watch))  # type: ignore[attr-defined]
        with suppress(Enough):
            trainer.fit(module, datamodule=DataModule(data))
    return ours.row(cfg, watch, speed, module.denoiser.network, train=True)


def plain(case: str, settings: Settings, *overrides: str) -> Row:
    """The same training in a bare loop."""
    cfg = ours.composed(case, settings, *overrides)
    steps = cfg.trainer.max_epochs * NUM_IMAGES / cfg.dataset.batch_size
    speed = ours.speed_of(cfg, steps, training=True)
    torch.manual_seed(cfg.seed)
    denoiser = build_denoiser(cfg).to(settings.device)
    step, watch = plain_step(cfg, speed, denoiser, settings), Stopwatch(settings)
    while watch.lap():
        step()
    return ours.row(cfg, watch, speed, denoiser.network, train=True)


def plain_step(cfg: DictConfig, speed: Speed, denoiser: Denoiser, settings: Settings) -> Callable[[], None]:
    """DDPM's training step, with what the config and its speed say."""
    speed.prepare(denoiser.network)
    weights: list[Tensor] = list(denoiser.parameters())
    averages = [weight.detach().clone() for weight in weights]
    optimizer = instantiate(cfg.optimizer)(weights)
    decay, T = cfg.callbacks.ema.decay, denoiser.schedule.T
    loaded = batches(instantiate(cfg.dataset), settings.device)

    def step() -> None:
        x0, _ = next(loaded)
        t = torch.randint(1, T + 1, (len(x0),)).double() / T
        eps = torch.randn_like(x0)
        alpha, sigma = (
            scale.view(-1, 1, 1, 1).to(x0, non_blocking=True)
            for scale in (denoiser.schedule.alpha(t), denoiser.schedule.sigma(t))
        )
        with torch.autocast(settings.device, speed.dtype, enabled=speed.dtype != torch.float32):
            output = denoiser(alpha * x0 + sigma * eps, t, None)
        nn.functional.mse_loss(output.float(), eps).backward()
        clip_grad_norm_(weights, cfg.trainer.gradient_clip_val)
        optimizer.step()
        optimizer.zero_grad()
        with torch.no_grad():
            torch._foreach_lerp_(averages, weights, 1 - decay)

    return step
