"""What a constructor says of its arguments: types, defaults, and the meanings in its docstring."""

import inspect
import json
import pkgutil
import re
from dataclasses import dataclass
from functools import cache
from typing import Any

from griffe import Docstring, DocstringSectionKind

from diffusion_lightning.config import types

PACKAGE = "diffusion_lightning"


@dataclass(frozen=True)
class Argument:
    """An argument of a constructor.

    Args:
        kind: its type in words.
        default: as YAML writes it; None if there is none, or YAML cannot write it.
        meaning: what the docstring says.
        ours: whether it is a docstring of this package.
    """

    kind: str = ""
    default: str | None = None
    meaning: str = ""
    ours: bool = False


@cache
def arguments(target: str) -> dict[str, Argument]:
    """Name → argument of the class that a `_target_` names; empty for none."""
    if not target or target == "???":
        return {}
    found = pkgutil.resolve_name(target)
    hints, _ = types.arguments_of(target)
    defaults, ours, others = _defaults(found), _meanings(found, ours=True), _meanings(found, ours=False)
    return {
        name: Argument(
            _in_words(hint), defaults.get(name), ours.get(name) or others.get(name, ""), ours=name in ours
        )
        for name, hint in hints.items()
    }


def _in_words(hint: Any) -> str:
    """The type as the checks of a config name it; nothing where there is none that they can read."""
    try:
        return "" if hint is object else re.sub(r"\ba (?=[AEIOU])", "an ", types.described(hint))
    except AttributeError:
        return ""


def summary(target: str) -> str:
    """The class of a `_target_` with a link, and the first sentence of its docstring."""
    if not target or target == "???":
        return ""
    first = re.split(r"(?<=\.)\s|\n\n", inspect.getdoc(pkgutil.resolve_name(target)) or "")[0]
    return f"{link(target)}: {' '.join(first.split())}" if target.startswith(PACKAGE) else f"{link(target)}."


def link(target: str) -> str:
    """The name of a class, with a link to the API if it is one of ours."""
    return f"[`{target.rpartition('.')[2]}`][{target}]" if target.startswith(PACKAGE) else f"`{target}`"


def _defaults(found: type) -> dict[str, str]:
    """Name → default, of the constructor and of those that it passes its others on to."""
    constructors = [c.__init__ for c in reversed(found.__mro__[:-1]) if "__init__" in vars(c)]
    return {
        name: _written(parameter.default)
        for constructor in constructors
        for name, parameter in inspect.signature(constructor).parameters.items()
        if _is_plain(parameter.default)
    }


def _meanings(found: type, ours: bool) -> dict[str, str]:
    """Name → what the docstrings of a class and its bases say: all of ours, one sentence of others."""
    meanings: dict[str, str] = {}
    for base in reversed(found.__mro__[:-1]):
        if base.__module__.startswith(PACKAGE) == ours:
            for text in (base.__doc__, base.__init__.__doc__):
                meanings |= _documented(text or "")
    return meanings if ours else {name: _first_sentence(text) for name, text in meanings.items()}


def _documented(docstring: str) -> dict[str, str]:
    sections = Docstring(inspect.cleandoc(docstring)).parse("google", warnings=False)
    parameters = [section for section in sections if section.kind is DocstringSectionKind.parameters]
    return {item.name: _plain_text(item.description) for section in parameters for item in section.value}


def _first_sentence(text: str) -> str:
    return re.sub(r"\s*\(default:.*", "", re.split(r"(?<=\.)\s", text)[0])


def _plain_text(text: str) -> str:
    """One line, without the roles of reStructuredText."""
    return " ".join(re.sub(r":\w+(?::\w+)?:`~?([^`]+)`|``([^`]+)``", r"`\1\2`", text).split())


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str | tuple)


def _written(value: Any) -> str:
    """As YAML writes it."""
    return value or '""' if isinstance(value, str) else json.dumps(value)
