"""Config → the objects that training, sampling and evaluation share: data, denoiser, sampling, extractor."""

from typing import Any

from omegaconf import DictConfig
from torch import nn

from diffusion_lightning.captions import NOTICE
from diffusion_lightning.config.changed import changed
from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.sampling import Sampling


def build_data(cfg: DictConfig) -> tuple[Any, DictConfig]:
    """The data set (`SampleData`), and the config with what it knows: classes of a folder, its copy."""
    data = instantiate(cfg.dataset)
    names = data.class_names and list(data.class_names)
    facts = {"dataset.num_classes": data.num_classes, "dataset.class_names": names}
    if getattr(data, "classes", None) is not None:
        facts["dataset.classes"] = list(data.classes)
    if getattr(data, "copy", None) is not None:
        facts["dataset.copy"] = data.copy
    if getattr(data, "notice", ""):
        facts[NOTICE] = data.notice
    return data, changed(cfg, facts)


def build_denoiser(cfg: DictConfig) -> Denoiser:
    """Network + schedule + parameterization."""
    return Denoiser(
        instantiate(cfg.network),
        instantiate(cfg.schedule),
        instantiate(cfg.parameterization),
    )


def build_extractor(cfg: DictConfig) -> nn.Module:
    """The feature extractor."""
    return frozen(instantiate(cfg.extractor))


def frozen(extractor: nn.Module) -> nn.Module:
    """The extractor in evaluation mode, without gradients."""
    return extractor.eval().requires_grad_(False)


def build_sampling(cfg: DictConfig) -> Sampling:
    """Sampler + guidance + clamp."""
    return Sampling(instantiate(cfg.sampler), instantiate(cfg.guidance), instantiate(cfg.clamp))
