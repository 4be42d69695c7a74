"""Objects of a checkpoint's config, which may come from anybody: nothing but what is expected is built."""

import pkgutil
from typing import Any

from omegaconf import OmegaConf

from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.config.types import check_arguments
from diffusion_lightning.errors import UserError


def build_trusted(name: str, node: Any, kind: type, trust: tuple[str, ...] = (), **changes: Any) -> Any:
    """An object of the checkpoint's config.

    Args:
        name: what it is in the config.
        node: its config.
        kind: the class that it must be of.
        trust: packages that it may come from, besides this one.
        changes: arguments to replace.

    Raises:
        UserError: if the config names foreign code or another kind of object, or has values of wrong types.
    """
    plain = OmegaConf.to_container(node) if OmegaConf.is_config(node) else node
    trusted = "diffusion_lightning", *trust
    if not isinstance(plain, dict) or not issubclass(_trusted_class(plain.get("_target_"), trusted), kind):
        raise UserError(f"the checkpoint's {name} is no {kind.__name__}: {plain}.")
    _check_targets(plain, trusted)
    check_arguments(plain, f"the checkpoint's {name}")
    return instantiate(plain, **changes)


def _check_targets(node: Any, trusted: tuple[str, ...]) -> None:
    """Refuse any `_target_` in the node that is not a class of a trusted package."""
    if isinstance(node, dict) and "_target_" in node:
        _trusted_class(node["_target_"], trusted)
    for item in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _check_targets(item, trusted)


def _trusted_class(target: object, trusted: tuple[str, ...]) -> type:
    # The name decides what is imported, the class what is built: os may be an attribute of a module.
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
        f"if you trust it, add trust=[{package}]."
    )
