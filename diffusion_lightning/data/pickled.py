"""Reads the pickles in which old data sets come, without running any code that they bring along."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

_OF_AN_ARRAY = {
    "ndarray": np.ndarray,
    "dtype": np.dtype,
    "_reconstruct": np.empty(0).__reduce__()[0],  # where it lies depends on NumPy's version
}
"""All that the pickle of an array calls, by name."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Nothing but what makes an array."""
        if module.partition(".")[0] != "numpy" or name not in _OF_AN_ARRAY:
            raise pickle.UnpicklingError(f"it wants to run {module}.{name}")
        return _OF_AN_ARRAY[name]


def load_arrays(file: Path) -> Any:
    """What a pickle of Python 2 or 3 holds: numbers, texts, containers and NumPy arrays.

    Raises:
        pickle.UnpicklingError: if it holds anything else.
    """
    with file.open("rb") as opened:
        return _ArrayUnpickler(opened, encoding="latin1").load()
