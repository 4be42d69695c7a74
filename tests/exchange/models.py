"""Small networks with random weights, over the options that diffusers has too, and models of them."""

import torch

import diffusion_lightning as dl
from diffusion_lightning.exchange.base import Exported

NETWORKS = [
    {},
    {"num_classes": 0, "image_channels": 3, "norm_groups": 2},
    {"num_heads": 4, "attention_resolutions": [4]},
    {"channel_mults": [1, 2, 2], "attention_resolutions": [4, 2], "num_heads": 2, "num_res_blocks": 2},
    {"attention_resolutions": [8, 4, 2], "channel_mults": [1, 3, 2], "norm_groups": 8},
    {"downsample_padding": 0, "norm_eps": 1e-6, "dropout": 0.1},
    {"freq_shift": 0, "width": 8},
    {"channel_mults": [1], "image_size": [4, 6], "attention_resolutions": []},
]


def network(seed=0, **options):
    given = {"image_channels": 1, "image_size": 8, "num_classes": 10, "width": 16, "channel_mults": [1, 2]}
    given |= {"num_res_blocks": 1, "norm_groups": 4}
    torch.manual_seed(seed)
    made = dl.UNet(**{**given, **options}).eval()
    for parameter in made.parameters():  # also those that are zero at first
        torch.nn.init.normal_(parameter, std=0.3 if parameter.ndim < 2 else parameter[0].numel() ** -0.5)
    return made


def exported(net, schedule=None, parameterization=None, sampler=None, clamp=None, label=None, guidance=None):
    guidance = guidance or dl.Guidance(0.1, 2.0)
    sampling = dl.Sampling(sampler or dl.DDIM(), guidance, clamp or dl.Static())
    denoiser = dl.Denoiser(net, schedule or dl.Linear(), parameterization or dl.Eps())
    config = {"dataset": {"image_channels": net.image_shape[0]}}
    return Exported(denoiser.eval(), sampling, label, None, {"hyper_parameters": config})
