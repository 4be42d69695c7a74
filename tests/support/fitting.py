"""Small trainings by Lightning alone."""

import torch
from lightning.pytorch import Trainer

from diffusion_lightning.data import Digits
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.objectives import SimpleMSE
from diffusion_lightning.diffusion.parameterizations import Eps
from diffusion_lightning.diffusion.schedules import Linear
from diffusion_lightning.networks import UNet
from diffusion_lightning.training.data_module import DataModule
from diffusion_lightning.training.module import DiffusionModule


def module(p_uncond=1.0, seed=0, **kwargs):
    torch.manual_seed(0)
    denoiser = Denoiser(UNet(1, 8, 10, 8, (1, 2), 1), Linear(), Eps())
    guidance = Guidance(p_uncond, 0.0 if p_uncond == 1 else 1.0)
    optimizer = lambda p: torch.optim.Adam(p, lr=1e-3)  # noqa: E731
    return DiffusionModule(denoiser, SimpleMSE(), guidance, optimizer, seed=seed, **kwargs)


def fit(model, callbacks=(), **kwargs):
    data = Digits("", kwargs.pop("batch_size", 64), 1, 8, 10)
    trainer = Trainer(
        accelerator="cpu",
        logger=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        callbacks=list(callbacks),
        **{
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "max_epochs": 1,
            "limit_train_batches": 5,
            "limit_val_batches": 2,
        }
        | kwargs,
    )
    trainer.fit(model, datamodule=DataModule(data))
    return trainer


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.denoiser.parameters()])
