"""Checks that a config's values are of the types that constructors ask for, before anything is built."""

import inspect
import math
import pkgutil
import types
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin, get_type_hints

from diffusion_lightning.config.renamed import RENAMED
from diffusion_lightning.errors import UserError

if TYPE_CHECKING:
    from omegaconf import DictConfig

OPTIONS: dict[str, Any] = {
    "accelerator": str,
    "against": str | None,
    "batch_size": int,
    "captions": bool,
    "checkpoint": str | None,
    "data_dir": str | None,
    "device": str,
    "devices": int,
    "dry_run": bool,
    "epochs": int,
    "evaluation": str | None,
    "evaluations": str | None,
    "folders": Sequence[str],
    "half": bool,
    "init": str | None,
    "label_smoothing": float,
    "image_size": int | Sequence[int] | None,
    "labels": int | str | Sequence[int | str] | None,
    "license": str,
    "num_heads": int | None,
    "num_images": int | None,
    "optimized_metric": str,
    "out": str | int,
    "overwrite": bool,
    "paths.run_dir": str,
    "pictures": int,
    "port": int | None,
    "private": bool,
    "repo": str | None,
    "resume": bool,
    "revision": str | None,
    "run": str | None,
    "samples": str | None,
    "seed": int,
    "share": bool,
    "shift": float,
    "source": str | None,
    "trust": Sequence[str],
    "walks": int,
    "warmup_images": int,
    "weights": str,
}
"""Types of the values at the top of `conf/*.yaml`, which no constructor takes."""

ADVICE = {"resume": " init=<checkpoint> starts a new run from the weights of a trained model."}
"""What else to say of a value at the top that is of a wrong type."""

NAMES = {
    type(None): ("null", "nulls"),
    bool: ("true or false", "true or false"),
    int: ("an integer", "integers"),
    float: ("a finite number", "finite numbers"),
    str: ("text", "texts"),
}
"""Singular and plural of the plain types."""

LISTS = {list, tuple, Sequence, Iterable, Collection}


def check_config(cfg: "DictConfig") -> None:
    """Refuse a value of a wrong type, an unknown or a missing one, anywhere in a command's config.

    Raises:
        UserError: for the first such value; it says where the value stands and what is allowed there.
    """
    from omegaconf import OmegaConf

    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    check_arguments(plain, "", OmegaConf.to_container(cfg))
    # The configs of other commands hold parts of these groups, which are not built
    for group in ("callbacks", "logger", "metrics") if _is_object(plain.get("trainer")) else ("metrics",):
        for name, node in (plain.get(group) or {}).items():
            if node and not _is_object(node):
                raise UserError(f"{group}.{name} is {_shown(node)}; it must have a _target_, or be null.")


def check_arguments(node: Any, name: str, unresolved: Any = None) -> None:
    """Refuse values that the constructors named in a config would not take.

    Args:
        node: a resolved config, as plain containers.
        name: where it stands in the whole config.
        unresolved: the same before interpolation, if it has any.

    Raises:
        UserError: for the first such value.
    """
    hints, closed = arguments_of(node["_target_"]) if _is_object(node) else ({}, False)
    for key, value in _items(node).items():
        where = f"{name}.{key}".lstrip(".")
        if value == "???" or (value == "" and where in OPTIONS):
            raise UserError(f"{where} is missing; add {where}=<value>.")
        if closed and key not in hints and not str(key).startswith("_"):
            known = ", ".join(hints) or "nothing"
            raise UserError(f"{where} is unknown: {node['_target_']} takes {known}.")
        hint, source = hints.get(key, OPTIONS.get(where, object)), _items(unresolved).get(key)
        # An interpolated null may get its value later: the classes of a folder are not known yet
        known_later = value is None and source is not None
        if not known_later and not _fits(value, hint):
            advice = ADVICE.get(where, "") or _advice(where, value, hint)
            raise UserError(f"{where} is {_shown(value)}; it must be {described(hint)}.{advice}")
        check_arguments(value, where, source)


def _items(node: Any) -> dict[Any, Any]:
    return node if isinstance(node, dict) else dict(enumerate(node)) if isinstance(node, list) else {}


def arguments_of(target: str) -> tuple[dict[str, Any], bool]:
    """Name → type of the arguments of a class or function, and whether it takes no others."""
    try:
        found = pkgutil.resolve_name(RENAMED.get(target, target))
    except Exception:  # whatever an import raises; it is reported when the object is built
        return {}, False
    hints: dict[str, Any] = {}
    for function in _constructors(found) if isinstance(found, type) else [found]:
        parameters = inspect.signature(function).parameters.values()
        named = [p.name for p in parameters if p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)]
        annotated = _annotations(function)
        hints = {name: annotated.get(name, object) for name in named if name != "self"} | hints
        # What a constructor passes on as **others belongs to its base class
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            return hints, True
    return hints, isinstance(found, type) and not _constructors(found)


def _constructors(cls: type) -> list[Any]:
    """The __init__ of the class and of its bases, without that of object."""
    return [vars(c)["__init__"] for c in cls.__mro__[:-1] if "__init__" in vars(c)]


def _annotations(function: Any) -> dict[str, Any]:
    try:
        return get_type_hints(function)
    except (NameError, TypeError):  # annotations that only a type checker can read
        return getattr(function, "__annotations__", {})


def _fits(value: Any, hint: Any) -> bool:
    kind, inner = get_origin(hint) or hint, [one for one in get_args(hint) if one is not Ellipsis]
    if kind in (Union, types.UnionType):
        return any(_fits(value, one) for one in inner)
    if kind is Literal:
        return value in inner and not isinstance(value, bool)
    if kind is float:
        return _fits(value, int) or (isinstance(value, float) and math.isfinite(value))
    if kind is int and isinstance(value, int) and value.bit_length() > 63:
        return False
    if kind in NAMES:
        return isinstance(value, kind) and (kind is bool or not isinstance(value, bool))
    if kind in LISTS:
        return isinstance(value, list) and all(any(_fits(v, one) for one in inner or [object]) for v in value)
    if kind in (dict, Mapping):
        return isinstance(value, dict)
    # A value of any other class is an object, to be built from its own `_target_`
    return _is_object(value) or kind in (Any, object) or not isinstance(kind, type)


def _is_object(value: Any) -> bool:
    return isinstance(value, dict) and "_target_" in value


def described(hint: Any, many: bool = False) -> str:
    """A type in words, or several values of it: `an integer or null`, `a list of texts`."""
    kind, inner = get_origin(hint) or hint, [one for one in get_args(hint) if one is not Ellipsis]
    if kind in (Union, types.UnionType):
        return _any_of(inner, many)
    if kind is Literal:
        return " or ".join(map(str, inner))
    if kind in NAMES:
        return NAMES[kind][many]
    if kind in LISTS:
        return f"a list of {_any_of(inner, many=True)}" if inner else "a list"
    return f"a {kind.__name__}"


def _any_of(hints: list[Any], many: bool) -> str:
    return " or ".join(dict.fromkeys(described(hint, many) for hint in hints))


def _shown(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 63:
        return f"{value}, which is more than 64 bits hold"
    return {"None": "null", "True": "true", "False": "false"}.get(repr(value), repr(value))


def _advice(name: str, value: Any, hint: Any) -> str:
    if value is None or isinstance(value, list | dict):
        return ""
    if _fits([value], hint):
        return f" Write {name}=[{value}]."
    if _fits(str(value), hint):
        return f" Quote it, {name}=\"'{value}'\"."
    if isinstance(value, str) and _fits({"_target_": ""}, hint) and not _fits(0, hint):
        return f" Choose it by name with {name.replace('.', '/')}={value}."
    return ""
