"""The arguments of a command line, as a person types them, in the form that Hydra's grammar can read."""

import os
import re
from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

PLAIN = re.compile(r"[\w./:%+@?|*-]*", re.ASCII)
"""A value that the grammar reads as itself."""


def readable(argument: str) -> str:
    """The argument, with quotes around a value that Hydra's grammar would not read as it is meant.

    A value that is the path of a file or folder is that path, whatever its name: the folders of a sweep's
    jobs have `=` and `,` in theirs. What the grammar cannot read is taken literally: each element of a list
    or of a sweep, or all of a value with `=` in it that is no list. `~` is the home folder in Hydra's own
    options: its folders are made before anybody sees the config, in which `config/paths.py` replaces `~`.
    """
    key, equals, value = argument.partition("=")
    if key.startswith(("hydra.", "--")):
        value = re.sub(r"(?:^|(?<=[\[,]))~(?=/|$)", lambda _: os.path.expanduser("~"), value)
    if not equals or not key or argument.startswith("-") or PLAIN.fullmatch(value):
        return f"{key}{equals}{value}"
    elements, whole = f"{key}={_elements(value)}", f"{key}={_literal(value)}"
    if _exists(value):
        return whole
    if "=" in value and value[:1] != "[":
        each_exists = all(map(_exists, value.strip("[]").split(",")))
        candidates = [f"{key}={value}", elements if each_exists else whole]
    else:
        candidates = [f"{key}={value}", elements, whole]
    return next(filter(_parses, candidates), argument)


def swept_options(arguments: Sequence[str]) -> set[str]:
    """The options of a command line that a sweep is over: `data_dir` of `data_dir=a,b`."""
    try:
        overrides = OverridesParser.create().parse_overrides([a for a in arguments if a[:1] != "-"])
    except HydraException:  # which Hydra will report
        return set()
    return {override.key_or_group for override in overrides if override.is_sweep_override()}


def _elements(value: str) -> str:
    """The value, with quotes around those elements of a list or a sweep that need them."""
    opening, inner, closing = re.fullmatch(r"(\[?)(.*?)(\]?)", value, re.DOTALL).groups()  # type: ignore[union-attr]
    elements = (element if PLAIN.fullmatch(element) else _literal(element) for element in inner.split(","))
    return f"{opening}{','.join(elements)}{closing}"


def _literal(value: str) -> str:
    return "'" + value.replace("\\'", "\\\\'").replace("'", "\\'") + "'"


def _exists(path: str) -> bool:
    try:
        return os.path.lexists(os.path.expanduser(path))
    except (OSError, ValueError):  # no path can be this text
        return False


def _parses(argument: str) -> bool:
    try:
        OverridesParser.create().parse_override(argument)
    except HydraException:
        return False
    return True
