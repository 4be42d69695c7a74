"""The command lines, run as a person runs them."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

TINY = [
    *("network.width=8", "network.channel_mults=[1]", "network.attention_resolutions=[]"),
    "dataset.batch_size=16",
]
"""A U-Net with attention in its middle alone, and few images in a step."""

SMALL = [*TINY, "trainer.max_epochs=1", "trainer.limit_train_batches=3", "sampler.steps=2"]
"""Options of a training of a second."""


def run(script, *args, cwd, timeout=180):
    env = os.environ | {"WANDB_MODE": "offline", "WANDB_SILENT": "true"}
    command = [sys.executable, str(ROOT / script), *map(str, args)]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout)


def succeed(script, *args, cwd, **options):
    done = run(script, *args, cwd=cwd, **options)
    assert done.returncode == 0, done.stdout + done.stderr
    return done
