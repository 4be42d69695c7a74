import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def trained_digits(tmp_path_factory):
    """The run of a small guided model of the digits that has learned something."""
    folder = tmp_path_factory.mktemp("trained")
    options = ["experiment=digits_cfg", "network.width=16", "trainer.max_epochs=15", "optimizer.lr=4e-3"]
    options += ["callbacks.sample_grid=null", "hydra.run.dir=digits"]
    command = [sys.executable, str(ROOT / "train.py"), *options]
    subprocess.run(command, cwd=folder, env=os.environ, check=True, capture_output=True, timeout=300)
    return folder / "digits"
