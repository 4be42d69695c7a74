"""What checks the maths' shapes in the tests."""

from typing import get_args

from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray


def check_shapes(function):
    """beartype of tensors alone. Plain types are mypy's affair, and wrong ones get the maths' own errors."""
    hints = function.__annotations__
    for name in [name for name, hint in hints.items() if not _has_shape(hint)]:
        del hints[name]
    return beartype(function, conf=BeartypeConf(is_pep484_tower=True)) if hints else function


def _has_shape(hint):
    is_array = isinstance(hint, type) and issubclass(hint, AbstractArray)
    return is_array or any(_has_shape(one) for one in get_args(hint))
