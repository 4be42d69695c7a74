"""Values as Python text that makes them again."""

import json
from dataclasses import MISSING, fields, is_dataclass
from typing import Any

import diffusion_lightning as dl


def pasted(value: Any) -> str:
    """The expression, with the public names of `import diffusion_lightning as dl`.

    A dataclass names the arguments that are not its defaults.
    """
    if is_dataclass(value) and not isinstance(value, type):
        given = [(field.name, getattr(value, field.name)) for field in fields(value) if field.init]
        default = {field.name: field.default for field in fields(value) if field.default is not MISSING}
        changed = [f"{k}={pasted(v)}" for k, v in given if k not in default or default[k] != v]
        return f"{class_name(type(value))}({', '.join(changed)})"
    if isinstance(value, list | tuple):
        inner = ", ".join(map(pasted, value))
        return f"[{inner}]" if isinstance(value, list) else f"({inner}{',' * (len(value) == 1)})"
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def class_name(cls: type) -> str:
    """`dl.DDIM`; `my_sampler.Euler` of a class of one's own."""
    public = getattr(dl, cls.__name__, None) is cls
    return f"dl.{cls.__name__}" if public else f"{cls.__module__}.{cls.__qualname__}"


def modules_of(value: Any) -> set[str]:
    """The modules of one's own that the expression needs."""
    if is_dataclass(value) and not isinstance(value, type):
        inner = {name for field in fields(value) for name in modules_of(getattr(value, field.name))}
        return inner if class_name(type(value)).startswith("dl.") else inner | {type(value).__module__}
    return {name for item in value for name in modules_of(item)} if isinstance(value, list | tuple) else set()
