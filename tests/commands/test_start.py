"""What a command imports before it does its work."""

import subprocess
import sys

import pytest

COMMAND = """
import sys
from diffusion_lightning.commands.{name} import main
sys.argv[1:] = "checkpoint=zoo:digits num_images=2 sampler.steps=2 device=cpu out=out".split()
main()
print(*sys.modules)
"""

PYTHON = """
import sys
import diffusion_lightning as dl
dl.save_grid(dl.load("zoo:digits", device="cpu").sample(num_images=2, sampler=dl.DDIM(2)), "out/grid.png")
print(*sys.modules)
"""

SLOW = {
    "torchvision",
    "torch._dynamo",
    "sympy",
    "triton",
    "lightning",
    "torchmetrics",
    "matplotlib",
    "sklearn",
}
SLOW |= {"wandb", "pandas", "scipy"}
"""Each takes as long to import as the images take to draw, or longer."""

PROGRAMS = {
    "sample": (COMMAND.format(name="sample"), "grid.png"),
    "evaluate": (COMMAND.format(name="evaluate"), "samples.png"),
    "python": (PYTHON, "grid.png"),
}


def output_of(program, folder):
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def modules_of(program, folder):
    return set(output_of(program, folder).splitlines()[-1].split())


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_slow_but_torch_is_imported(name, tmp_path):
    """To draw and to measure, with all default metrics."""
    program, picture = PROGRAMS[name]
    imported = modules_of(program, tmp_path)
    assert (tmp_path / "out" / picture).exists()
    assert "torch" in imported and not imported & SLOW


TRAIN = """
import sys
from diffusion_lightning.commands.train import main
sys.argv[1:] = "trainer.max_steps=1 trainer.limit_val_batches=0 callbacks.sample_grid=null".split()
main()
print(*sys.modules)
"""


@pytest.mark.slow
def test_training_imports_nothing_slow_but_what_lightning_does(tmp_path):
    """Lightning imports torchmetrics, which imports torchvision and matplotlib."""
    imported = modules_of(TRAIN, tmp_path)
    assert "lightning" in imported
    assert not imported & {"wandb", "tensorboard", "sklearn", "pandas", "diffusers", "transformers"}


FIRST = """
import os, time
from diffusion_lightning.diffusion.denoiser import Denoiser
def first(*_):
    print(time.process_time(), flush=True)
    os._exit(0)
Denoiser.x0 = first
"""
"""Ends the program at the first evaluation of the network; its output is the CPU time since its start."""


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sample", "evaluate"])
def test_the_network_is_evaluated_soon_after_torch_is_there(name, tmp_path):
    """Within 1.6 times the CPU time of `import torch`, the second time: the data's statistics are kept."""

    def seconds(program):
        return min(float(output_of(program, tmp_path).split()[-1]) for _ in range(4))

    torch = seconds("import time, torch; print(time.process_time())")
    assert seconds(FIRST + PROGRAMS[name][0]) < 1.6 * torch
