"""The README's Python, pasted as it is written."""

import re

import pytest
import torch

import diffusion_lightning as dl
from tests.support.command import SMALL
from tests.support.in_process import succeed_here
from tests.support.pages import read

LOADING, TRAINING = re.findall(r"```python\n(.*?)```", read("README.md"), re.S)[:2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a guided model at the path that the README loads."""
    folder = tmp_path_factory.mktemp("readme")
    succeed_here("train.py", *SMALL, "guidance=cfg", "hydra.run.dir=outputs/mnist", cwd=folder)
    return folder


def test_loading_and_sampling(folder, monkeypatch):
    monkeypatch.chdir(folder)
    names = {}
    exec(LOADING, names)
    assert names["images"].shape == names["latents"].shape == (10, 1, 8, 8)
    assert names["images"].abs().max() <= 1 and (folder / "grid.png").exists()
    again = dl.load("outputs/mnist").sample(range(10), sampler=dl.DDIM(steps=50), guidance=3.0, seed=0)
    assert torch.equal(names["images"], again)


def test_training_without_a_framework():
    network = dl.UNet(1, 8, 10, width=8, channel_mults=(1, 2), num_res_blocks=1)
    loader = [(torch.rand(4, 1, 8, 8) * 2 - 1, torch.arange(4)) for _ in range(2)]
    exec(TRAINING, {"dl": dl, "network": network, "loader": loader})
    gradients = [parameter.grad for parameter in network.parameters()]
    assert all(gradient is not None for gradient in gradients) and any(g.abs().sum() > 0 for g in gradients)
