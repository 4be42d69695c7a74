"""Objects of a checkpoint's config, which may come from anybody: only what is expected is built."""

import functools
import pkgutil
from collections.abc import Sequence
from typing import Any

from diffusion_lightning.config.types import check_arguments
from diffusion_lightning.errors import UserError


def build_trusted(name: str, node: Any, kind: type, trust: Sequence[str] = (), **changes: Any) -> Any:
    """Build an object of the checkpoint's config.

    Args:
        name: the object's name in the config.
        node: its config, as plain containers.
        kind: the class that it must be of.
        trust: packages that it may come from, besides this one.
        changes: arguments to replace.

    Raises:
        UserError: if the config names foreign code or another kind of object, or its values do not fit.
    """
    trusted = "diffusion_lightning", *trust
    if not isinstance(node, dict) or not issubclass(_trusted_class(node.get("_target_"), trusted), kind):
        raise UserError(f"the checkpoint's {name} is no {kind.__name__}: {node}.")
    # Nothing is built before all of it is known to be trusted
    _check_targets(node, trusted)
    check_arguments(node, f"the checkpoint's {name}")
    try:
        return _built({**node, **changes}, trusted)
    except (TypeError, ValueError, ImportError) as error:  # of a constructor
        raise UserError(f"the checkpoint's {name}: {error}") from error


def _built(node: Any, trusted: tuple[str, ...]) -> Any:
    """The object that plain containers describe, in which every `_target_` is a class to build."""
    if isinstance(node, list):
        return [_built(item, trusted) for item in node]
    if not isinstance(node, dict):
        return node
    arguments = {key: _built(item, trusted) for key, item in node.items()}
    if "_target_" not in arguments:
        return arguments
    cls, positional = _trusted_class(arguments.pop("_target_"), trusted), arguments.pop("_args_", [])
    arguments.pop("_convert_", None)  # Hydra's; containers are plain in any case
    if arguments.pop("_partial_", False):
        return functools.partial(cls, *positional, **arguments)
    return cls(*positional, **arguments)


def _check_targets(node: Any, trusted: tuple[str, ...]) -> None:
    """Refuse any `_target_` in the node that is not a class of a trusted package."""
    if isinstance(node, dict) and "_target_" in node:
        _trusted_class(node["_target_"], trusted)
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _check_targets(item, trusted)


def _trusted_class(target: object, trusted: tuple[str, ...]) -> type:
    # The name decides what is imported, the class what is built: os may be an attribute of a module
    package = str(target).partition(".")[0]
    if package in trusted:
        try:
            found = pkgutil.resolve_name(str(target))
        except Exception as error:  # whatever an import raises
            raise UserError(
                f"the checkpoint wants to build {target!r}, which is not there ({error})."
            ) from None
        if isinstance(found, type) and found.__module__.partition(".")[0] in trusted:
            return found
    raise UserError(
        f"the checkpoint wants to build {target!r}, which is not part of {', '.join(trusted)}; "
        f'if you trust it, add trust=["{package}"].'
    )
