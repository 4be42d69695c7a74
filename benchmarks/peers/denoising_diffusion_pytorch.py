"""denoising-diffusion-pytorch's Unet and GaussianDiffusion, in the loop of its Trainer."""

from typing import Any

import torch
from denoising_diffusion_pytorch import GaussianDiffusion, Unet
from ema_pytorch import EMA
from torch.nn.utils import clip_grad_norm_

from benchmarks.data import random_batches
from benchmarks.settings import CASES, EVALUATIONS, Row, Settings
from benchmarks.timing import Stopwatch, flop

NETWORKS: dict[str, dict[str, Any]] = {
    "mnist": {
        "dim": 32,
        "dim_mults": (1, 2, 3),
        "full_attn": (False, False, True),
        "attn_heads": (4, 4, 1),
        "attn_dim_head": (32, 32, 96),
    },
    "cifar10": {
        "dim": 128,
        "dim_mults": (1, 2, 2, 2),
        "full_attn": (False, True, False, False),
        "attn_heads": (4, 1, 4, 4),
        "attn_dim_head": (32, 256, 32, 32),
        "dropout": 0.1,
    },
}
"""Of our widths, with full attention as and where ours has it, and its own linear attention elsewhere."""


def network(case: str) -> Unet:
    """The network nearest to our size."""
    return Unet(channels=CASES[case].shape[0], **NETWORKS[case])


def diffusion(case: str, settings: Settings) -> GaussianDiffusion:
    """The model; it samples by DDIM."""
    torch.manual_seed(0)
    size = CASES[case].shape[-1]
    model = GaussianDiffusion(
        network(case),
        image_size=size,
        sampling_timesteps=EVALUATIONS,
        objective="pred_noise",
        beta_schedule="linear",
    )
    return model.to(settings.device)


def train(case: str, program: str, settings: Settings) -> Row:
    """Training steps as its Trainer takes them."""
    model, batches = diffusion(case, settings), random_batches(case, settings)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4, betas=(0.9, 0.99))
    average = EMA(model, beta=0.995, update_every=10)

    def step() -> None:
        images, _ = next(batches)
        loss = model((images + 1) / 2)  # it takes [0, 1]
        loss.backward()
        loss.item()  # its progress bar shows it
        clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.update()

    watch = Stopwatch(settings)
    while watch.lap():
        step()
    return _row(case, watch, settings, model, train=True)


def sample(case: str, program: str, settings: Settings) -> Row:
    """Evaluations inside its own DDIM."""
    model = diffusion(case, settings).eval()
    watch = Stopwatch(settings, per=EVALUATIONS)
    while watch.lap():
        model.sample(CASES[case].images(settings))
    return _row(case, watch, settings, model, train=False)


def _row(case: str, watch: Stopwatch, settings: Settings, model: GaussianDiffusion, train: bool) -> Row:
    images = CASES[case].images(settings)
    return watch.row(
        images,
        flop=flop(lambda: network(case), lambda net, x, t: net(x, t), (images, *CASES[case].shape), train),
        dtype="float32",
        parameters=sum(p.numel() for p in model.model.parameters()),
    )
