"""Our own training step and evaluation with one thing switched at a time."""

from benchmarks.parts import LEVERS
from benchmarks.sampling import walks
from benchmarks.settings import Row, Settings
from benchmarks.training import lightning


def run(case: str, program: str, settings: Settings) -> list[Row]:
    """One lever, or a few, of a case such as "mnist training"."""
    data, kind = case.split()
    overrides = "speed=plain", *(f"speed.{setting}" for setting in LEVERS[program])
    return [(lightning if kind == "training" else walks)(data, settings, *overrides)]
