"""The exception whose message is written for the user, and the most common checks of values."""

import math
from collections.abc import Iterator
from contextlib import contextmanager


class UserError(ValueError):
    """Bad input; its message says what was wrong, what is allowed and what to type instead.

    The command line prints the message alone, without a traceback.
    """


class NotFinite(UserError):
    """Something that has to be finite holds NaN or infinity: a walk, an image, a figure."""


def check_at_least(name: str, value: object, least: int = 1, most: float = math.inf) -> int:
    """The value, if it is an integer from `least` to `most`; otherwise a UserError that names it."""
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        limit = "" if most == math.inf else f" and at most {most}"
        raise UserError(f"{name} is {value!r}; it must be an integer of at least {least}{limit}.")
    return value


def first_load_error(error: RuntimeError) -> str:
    """The first problem that `load_state_dict` reports; it lists one per line below a heading."""
    return str(error).splitlines()[-1 if "\n" not in str(error) else 1].strip()


def check_counts(least: int = 1, **values: object) -> None:
    """Refuse the first value that is not an integer of at least `least`."""
    for name, value in values.items():
        check_at_least(name, value, least)


def check_positive(name: str, value: float, usual: object) -> float:
    """The value, if it is a finite number above 0; otherwise a UserError with the usual value."""
    if not 0 < value < math.inf:
        raise UserError(f"{name} is {value}; it must be positive and finite (usual: {usual}).")
    return value


def check_fraction(name: str, value: float) -> float:
    """The value, if it is between 0 and 1; otherwise a UserError that names it."""
    if not 0 <= value <= 1:
        raise UserError(f"{name} is {value}; it must be between 0 and 1.")
    return value


@contextmanager
def naming(place: str) -> Iterator[None]:
    """Prefix the errors of a constructor with the key in the config that it was built from."""
    try:
        yield
    except UserError as error:
        raise UserError(f"{place}: {error}") from error


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its name if it says nothing."""
    return str(error).strip().partition("\n")[0] or type(error).__name__
