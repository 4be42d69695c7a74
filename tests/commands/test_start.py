"""What a command imports before it does its work."""

import subprocess
import sys

PYTHON = """
import sys
from diffusion_lightning.commands.sample import main
sys.argv[1:] = ["checkpoint=zoo:digits", "num_images=2", "sampler.steps=2", "device=cpu", "out=out"]
main()
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


def test_sampling_imports_nothing_slow_but_torch(tmp_path):
    done = subprocess.run([sys.executable, "-c", PYTHON], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "grid.png").exists()
    imported = set(done.stdout.splitlines()[-1].split())
    assert "torch" in imported and not imported & SLOW
