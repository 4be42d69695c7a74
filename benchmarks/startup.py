"""How long commands and imports take, in processes of their own."""

import subprocess
import sys
import time
from pathlib import Path

from benchmarks.parts import STARTUP
from benchmarks.settings import Row, Settings

ROOT = Path(__file__).parents[1]


def run(case: str, program: str, settings: Settings) -> list[Row]:
    """Wall seconds of one process."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *STARTUP[program]], cwd=ROOT, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr.strip().splitlines()[-1])
    return [{"seconds": [seconds]}]
