"""Classes as a person names them: by number, or by name."""

import logging
import operator
from collections.abc import Iterable, Sequence

from diffusion_lightning.errors import UserError

log = logging.getLogger(__name__)

SHOWN = 20
"""Names that a message lists."""


def class_numbers(
    option: str, classes: Iterable[object], num_classes: int, names: Sequence[str] | None
) -> list[int]:
    """The numbers of classes that are given by number or by name.

    A name is meant by its own spelling, or else in any case and with any of space, _ and - between words. An
    integer is always a number; where it is also the name of another class, a warning says so.

    Args:
        option: what they are given for, for messages.
        classes: integers and texts.
        num_classes: K.
        names: one name per class, if they are known.

    Raises:
        UserError: if there are none, or none to choose from; if a number is out of range; if a name is
            unknown, or could be several.
    """
    listed = list(classes)
    if num_classes == 0:
        raise UserError(f"{option}={listed}: there are no classes to choose from; leave {option} out.")
    if not listed or not all(isinstance(y, str) or _is_number(y, num_classes) for y in listed):
        by_name = f" or names, {_shown(names)}" if names else ""
        raise UserError(
            f"{option}={listed} must be class numbers from 0 to {num_classes - 1}{by_name}, such as "
            f"{option}=[0,{num_classes - 1}]."
        )
    _warn_of_numerals(option, listed, names or ())
    return [
        _number_of(option, y, num_classes, names) if isinstance(y, str) else operator.index(y)  # type: ignore[arg-type]
        for y in listed
    ]


def _is_number(y: object, num_classes: int) -> bool:
    try:
        number = operator.index(y)  # type: ignore[arg-type]
    except TypeError:
        return False
    return not isinstance(y, bool) and 0 <= number < num_classes


def _number_of(option: str, name: str, num_classes: int, names: Sequence[str] | None) -> int:
    if names is None:
        raise UserError(
            f"{option}: there is no class {name!r}, as these classes have no names; give numbers from 0 to "
            f"{num_classes - 1}."
        )
    for spelt in (str, _loosely):
        matches = [number for number, known in enumerate(names) if spelt(known) == spelt(name)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            same = " and ".join(f"{number} ({names[number]!r})" for number in matches)
            raise UserError(f"{option}: {name!r} could be the classes {same}; give its number.")
    raise UserError(f"{option}: there is no class {name!r}; the classes are {_shown(names)}.")


def _loosely(name: str) -> str:
    return "".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _warn_of_numerals(option: str, listed: Sequence[object], names: Sequence[str]) -> None:
    for y in listed:
        if not isinstance(y, str) and str(y) in names and names[operator.index(y)] != str(y):  # type: ignore[arg-type]
            other = list(names).index(str(y))
            log.warning(
                "%s: %s is taken as the number of the class %r; the class called %s has the number %d",
                *(option, y, names[operator.index(y)], y, other),  # type: ignore[arg-type]
            )
            return


def _shown(names: Sequence[str]) -> str:
    more = f", … ({len(names)})" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
