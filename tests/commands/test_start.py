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


@pytest.mark.parametrize("name", PROGRAMS)
def test_nothing_slow_but_torch_is_imported(name, tmp_path):
    """To draw and to measure, with all default metrics."""
    program, picture = PROGRAMS[name]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / picture).exists()
    imported = set(done.stdout.splitlines()[-1].split())
    assert "torch" in imported and not imported & SLOW
