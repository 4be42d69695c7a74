"""What a control may be set to: the YAML files of a group, as Hydra finds them.

So a new sampler is on the page as soon as its YAML file is there, in conf/ or in a folder of --config-dir.
"""

import threading
from typing import Any

from hydra import compose
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig

from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.errors import UserError
from diffusion_lightning.page.settings import MOST_STEPS, Settings
from diffusion_lightning.sampling.model import DiffusionModel
from diffusion_lightning.sampling.request import asked_sampling

_ONE_AT_A_TIME = threading.Lock()
"""Hydra is not made for several threads."""


def options(group: str) -> list[str]:
    """The options of a group."""
    with _ONE_AT_A_TIME:
        return list(GlobalHydra.instance().config_loader().get_group_options(group))


def sampling_of(settings: Settings, model: DiffusionModel) -> Sampling:
    """The sampler, guidance and clamp that `sample.py` builds for these settings.

    Raises:
        UserError: if a group has no such option, or the model never learned what is asked for.
    """
    for group, name in settings.groups.items():
        if name not in options(group):
            raise UserError(f"there is no {group}={name}; choose from {', '.join(options(group))}.")
    return asked_sampling(_composed(settings.options), model)


def recommended(sampler: str, model: DiffusionModel) -> tuple[str, int]:
    """The grid and the number of steps that the YAML file of a sampler recommends.

    Raises:
        UserError: if there is no such sampler.
    """
    if sampler not in options("sampler"):
        raise UserError(f"there is no sampler={sampler}; choose from {', '.join(options('sampler'))}.")
    cfg: Any = _composed([f"sampler={sampler}"], with_hydra=True)
    steps = cfg.sampler.steps or model.denoiser.schedule.T
    return cfg.hydra.runtime.choices["sampler/grid"], min(steps, MOST_STEPS)


def _composed(words: list[str], with_hydra: bool = False) -> DictConfig:
    with _ONE_AT_A_TIME:
        return compose("sample", words, return_hydra_config=with_hydra)
