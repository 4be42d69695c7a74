"""Exceptions → one line for the person at the keyboard; a bug of ours keeps its traceback."""

import sys
import traceback
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Any

from hydra.core.global_hydra import GlobalHydra
from hydra.errors import (
    CompactHydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigAttributeError, ConfigKeyError, OmegaConfBaseException

from diffusion_lightning.compat import whole_config
from diffusion_lightning.errors import UserError

LIBRARIES = "hydra", "omegaconf", "lightning", "submitit", "torch.optim"
"""Libraries that are given values of the command line: an error raised there is about such a value."""

RENAMED = {
    "network=digits": "network=unet_tiny",
    "network=mnist": "network=unet_small",
    "network=fashion_mnist": "network=unet_small",
    "network=cifar10": "network=unet_ddpm",
    "network=image_folder": "network=unet_ddpm",
    "extractor=fashion_mnist": "extractor=inception",
    "extractor=image_folder": "extractor=inception",
    "experiment=digits_search": "search=digits",
}
"""Options of groups that had another name before version 0.2, and their names of today."""


def user_message(error: BaseException) -> str | None:
    """The message for the user, if the error or its cause is about their input or machine; otherwise None."""
    if isinstance(error, UserError):
        # A loader's worker puts its traceback before the message
        return str(error).rpartition("UserError: ")[2].strip()
    if isinstance(error, InstantiationException):
        return _of_instantiation(error)
    if isinstance(error, OmegaConfBaseException):
        return _of_omegaconf(error)
    if isinstance(error, CompactHydraException):
        return _of_hydra(error)
    if isinstance(error, OSError):
        return f"{error.filename}: {error.strerror}." if error.filename else _one_line(error)
    if isinstance(error, MemoryError) or "allocate" in str(error):
        return f"not enough memory ({_one_line(error)}); choose smaller batches, images or networks."
    if type(error).__module__.startswith(("lightning.", "wandb.")):
        return _one_line(error)
    if isinstance(error, ValueError | TypeError | RuntimeError) and _raised_in(error).startswith(LIBRARIES):
        return _unknown_option() or _one_line(error)
    return None


def _of_instantiation(error: InstantiationException) -> str | None:
    """Of Hydra's error around the one that a constructor raised."""
    cause, where = error.__cause__, str(error).rpartition("full_key: ")[2]
    if cause is None:
        return _one_line(error)
    if isinstance(cause, TypeError | ValueError | ImportError):
        return f"{where}: {user_message(cause) or _one_line(cause)}"
    return user_message(cause)


def _of_omegaconf(error: OmegaConfBaseException) -> str:
    """Of a value that is missing or not allowed, an interpolation that finds nothing, or an unknown key."""
    parent = error.parent_node
    if isinstance(error, ConfigAttributeError | ConfigKeyError) and isinstance(parent, DictConfig):
        known = [key for key in map(str, parent or ()) if key != "hydra" and not key.startswith("_")]
        # At the top nothing reads a new one
        new = f"; +{error.full_key}=<value> adds a new one" if "." in str(error.full_key) else ""
        meant = _meant(str(error.full_key), list(_full_keys(whole_config(parent))))
        return f"{error.full_key} is unknown; there are {', '.join(known) or 'none'}{new}.{meant}"
    text = str(error).splitlines()[0]
    return f"{error.full_key}: {text}." if error.full_key else f"{text}."


def _full_keys(config: DictConfig, above: str = "") -> Iterator[str]:
    """The full keys of a config's options, but of those that follow another one."""
    for name in map(str, config):
        own = not (name == "hydra" or name.startswith("_") or OmegaConf.is_interpolation(config, name))
        if own:
            yield above + name
        if own and not OmegaConf.is_missing(config, name) and isinstance(config[name], DictConfig):
            yield from _full_keys(config[name], f"{above}{name}.")


def _meant(unknown: str, known: list[str]) -> str:
    """A question after the known option that an unknown one was probably meant to be, if there is one."""
    name = unknown.rpartition(".")[2]
    elsewhere = [key for key in known if key.rpartition(".")[2] == name]
    found = sorted(elsewhere, key=lambda key: key.count("."))[:1] or get_close_matches(unknown, known, 1, 0.8)
    return f" Did you mean {found[0]}?" if found else ""


def _of_hydra(error: CompactHydraException) -> str:
    """Of a command line that does not make a config."""
    if isinstance(error, MissingConfigException) and error.options:
        return no_option(*str(error.missing_cfg_file).rpartition("/")[::2], error.options)
    if isinstance(error, OverrideParseException):
        return (
            f"{error.override} cannot be read as key=value; values with spaces, commas, brackets or the like "
            "need quotes inside quotes: \"key='my value (1)'\"."
        )
    if isinstance(error.__cause__, OmegaConfBaseException):
        return _of_omegaconf(error.__cause__)
    unknown = _unknown_option() if isinstance(error, MissingConfigException) else None
    return unknown or _one_line(error)


def _unknown_option() -> str | None:
    """Of the first group on the command line that has no option of the name given."""
    if not GlobalHydra.instance().is_initialized():
        return None
    for argument in sys.argv[1:]:
        group, _, value = argument.lstrip("+").partition("=")
        options = group and GlobalHydra.instance().config_loader().get_group_options(group.partition("@")[0])
        if options and not set(value.strip("[]").split(",")) <= set(options):
            return no_option(group, value, options)
    return None


def no_option(group: str, name: str, options: Any) -> str:
    """Of an option that a group does not have."""
    if today := RENAMED.get(f"{group}={name}"):
        return f"{group}={name} is now called {today}."
    value = f"change a value of it with {group.replace('/', '.')}.<name>=<value>"
    return f"there is no {group}={name}; choose {group}= from {', '.join(options)}, or {value}."


def _raised_in(error: BaseException) -> str:
    """The name of the module that raised the error."""
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    return frames[-1].f_globals.get("__name__", "") if frames else ""


def _one_line(error: BaseException) -> str:
    text = str(error).partition("Config search path:")[0].partition("See https://hydra.cc")[0]
    return " ".join(text.split()) or type(error).__name__
