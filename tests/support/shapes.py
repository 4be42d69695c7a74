"""What checks the maths' shapes in the tests: at the first calls of each function in each test."""

import functools
import inspect
from collections import Counter
from typing import get_args
from unittest.mock import patch

import jaxtyping
from beartype import BeartypeConf, beartype
from jaxtyping import AbstractArray, install_import_hook

CALLS = Counter()
"""Of each function, in this test."""

CHECKED = 30
"""A check takes several times as long as the call, and a walk's later steps call what its first ones do."""


def check_shapes_in(package):
    """The shapes in the signatures of what is imported from the package after this."""
    jaxtyped = jaxtyping.jaxtyped

    def first_calls(function, typechecker):
        checked = jaxtyped(function, typechecker=typechecker)
        if not inspect.isfunction(function):  # a class, or a property, whose functions come one by one
            return checked
        if not any(map(_has_shape, function.__annotations__.values())):
            return function

        @functools.wraps(checked)
        def call(*args, **kwargs):
            CALLS[function] += 1
            return (checked if CALLS[function] <= CHECKED else function)(*args, **kwargs)

        return call

    def decorator(*, typechecker):
        return functools.partial(first_calls, typechecker=typechecker)

    patch.object(jaxtyping, "jaxtyped", decorator).start()  # which the hook writes above each definition
    patch("jaxtyping._decorator.jaxtyped", first_calls).start()  # by which a class comes to its functions
    install_import_hook(package, f"{check_shapes.__module__}.{check_shapes.__name__}")


def check_shapes(function):
    """beartype of tensors alone. Plain types are mypy's affair, and wrong ones get the maths' own errors."""
    hints = function.__annotations__
    for name in [name for name, hint in hints.items() if not _has_shape(hint)]:
        del hints[name]
    return beartype(function, conf=BeartypeConf(is_pep484_tower=True)) if hints else function


def _has_shape(hint):
    is_array = isinstance(hint, type) and issubclass(hint, AbstractArray)
    return is_array or any(_has_shape(one) for one in get_args(hint))
