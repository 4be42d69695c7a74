"""Reads the pickles of old data sets, without running code that they contain."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

_OF_AN_ARRAY = {
    "ndarray": np.ndarray,
    "dtype": np.dtype,
    "_reconstruct": np.empty(0).__reduce__()[0],  # its module depends on NumPy's version
}
"""All that the pickle of an array calls, by name."""


class _ArrayUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """Only what makes an array."""
        if module.partition(".")[0] != "numpy" or name not in _OF_AN_ARRAY:
            raise pickle.UnpicklingError(f"it wants to run {module}.{name}")
        return _OF_AN_ARRAY[name]


def load_arrays(file: Path) -> Any:
    """The content of a pickle of Python 2 or 3: numbers, strings, containers and NumPy arrays.

    Raises:
        pickle.UnpicklingError: if it holds anything else.
    """
    with file.open("rb") as opened:
        return _ArrayUnpickler(opened, encoding="latin1").load()
