"""Every model of the zoo leaves by every door that is wide enough for it."""

import numpy as np
import pytest
import torch

import diffusion_lightning as dl
from diffusion_lightning.zoo.cards import names
from tests.support.command import ROOT
from tests.support.in_process import run_here, succeed_here
from tests.support.pages import numpy_loop

EXPORT = "diffusion_lightning/export.py"
FORMATS = sorted(file.stem for file in (ROOT / "conf" / "format").glob("*.yaml"))

INEXPRESSIBLE = {("cifar10", "diffusers"): "diffusers' UNet2DModel cannot express network.patch=2"}
"""Models that another library has no words for, and how that is said."""


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("format_name", FORMATS)
def test_a_model_of_the_zoo_is_exported(name, format_name, tmp_path):
    done = run_here(EXPORT, f"checkpoint=zoo:{name}", f"format={format_name}", "out=out", cwd=tmp_path)
    if reason := INEXPRESSIBLE.get((name, format_name)):
        assert done.returncode == 1 and reason in done.stderr
        return
    assert done.returncode == 0, done.stdout + done.stderr
    assert {".safetensors", ".onnx", ".pt2"} & {file.suffix for file in (tmp_path / "out").rglob("*")}


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_a_loop_in_numpy_draws_the_grid_of_the_zoo(name, tmp_path):
    """The grid of `sample.py checkpoint=zoo:<name> speed=plain`, from the same noise."""
    asked = f"checkpoint=zoo:{name}", "sampler.steps=20"
    succeed_here(EXPORT, *asked, "format=onnx", "out=out", cwd=tmp_path)
    succeed_here("sample.py", *asked, "num_images=100", "speed=plain", "device=cpu", "out=grid", cwd=tmp_path)
    grid = np.load(tmp_path / "grid" / "samples.npz")
    noise = dl.load(f"zoo:{name}", device="cpu").noise(0, range(100))()
    drawn = numpy_loop()(tmp_path / "out", noise.numpy(), grid["arr_1"].astype(np.int64))
    ours = torch.from_numpy(grid["arr_0"]).movedim(-1, 1).int().numpy()
    assert np.abs(drawn.astype(int) - ours).max() <= 1
    assert ours.std() > 20  # not all black, nor all white
