"""Other libraries; each is imported by its own module alone, so that a missing one harms no other."""

from importlib import import_module
from typing import Any


def peer(program: str) -> Any:
    """The module that trains and samples with the library that the program's name begins with."""
    library = "diffusers" if program.startswith("diffusers") else program.replace("-", "_")
    return import_module(f"{__name__}.{library}")
