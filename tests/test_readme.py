"""The README's sampler in ten lines, as it is written there."""

import re
import sys
import types
from pathlib import Path

import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from diffusion_lightning.diffusion.samplers import DDIM
from diffusion_lightning.diffusion.schedules import Linear
from tests.support.oracles import MixtureOracle, normal, sampling_model

README = (Path(__file__).parents[1] / "README.md").read_text()


def test_the_ten_line_sampler_is_ddim(monkeypatch):
    (python,), (yaml,) = (re.findall(rf"```{kind}\n(.*?)```", README, re.S) for kind in ("python", "yaml"))
    name = re.search(r"`diffusion_lightning/(.*)\.py`:", README)[1]
    module = types.ModuleType(f"diffusion_lightning.{name.replace('/', '.')}")
    exec(python, module.__dict__)
    monkeypatch.setitem(sys.modules, module.__name__, module)
    cfg = OmegaConf.create(yaml)
    assert cfg.pop("defaults") == [{"grid": "uniform"}]
    cfg.grid = {"_target_": "diffusion_lightning.Uniform"}
    sampler = instantiate(cfg)
    model, x = sampling_model(MixtureOracle(Linear())), normal(5, 2, 1, 1)
    torch.testing.assert_close(sampler(model, x), DDIM(cfg.steps)(model, x), rtol=0, atol=1e-9)
