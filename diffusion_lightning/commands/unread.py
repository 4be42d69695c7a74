"""What nothing reads: options of a command line and of configs that would change nothing are refused."""

import re
from collections.abc import Collection, Iterator, Mapping
from functools import cache
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.config.paths import conf_folder
from diffusion_lightning.errors import UserError

INSTEAD = {
    "train": {"trainer.callbacks": "callbacks=", "trainer.logger": "logger=", "trainer.plugins": "trainer="},
    "train_extractor": dict.fromkeys(("extractor.weights", "extractor.sha256"), "out="),
}
"""Arguments that a command gives itself, and the options that it makes them from."""


def check_read(cfg: DictConfig, command: str) -> None:
    """Refuse options that the command does not read.

    The keys at the top are those of `conf/<command>.yaml`, and those below a key without a `_target_` are the
    ones that our YAML files have there; an object's arguments are its constructor's affair. A key that
    another one interpolates is read too. A data set's YAML brings its recipe of training along, which other
    commands leave alone, but do not take from the command line.

    Raises:
        UserError: for the first option that nothing reads.
    """
    plain: Any = OmegaConf.to_container(cfg)
    refuse_typed(INSTEAD.get(command, {}), f"{command} sets it itself, by")
    used, known = {*_interpolated(plain), *_interpolated(_hydra())}, _options(command)
    groups = _groups(command)
    for name in _typed():
        key = name.partition(".")[0].partition("/")[0]
        if key not in known | used | groups:
            raise UserError(f"{key} is not read by {command}; {_there_are(known)}.")
        if name == key and key not in groups and _inline(command, key):
            raise UserError(f"{key}= is no group of {command}; set {key}.<name>=<value>.")
    for key, node in plain.items():
        if key not in known | _options("train") | used:
            raise UserError(f"{key} is unknown, nothing reads it; {_there_are(known)}.")
        if isinstance(node, dict) and not _is_object(node) and key in known:
            _check_below(command, key, node, used)


def refuse_typed(options: Collection[str] | Mapping[str, str], why: str) -> None:
    """Refuse options, or options below them, that the command line names.

    Args:
        options: their full keys; a mapping also has what to type instead.
        why: why they are not read.

    Raises:
        UserError: for the first that is named.
    """
    for typed in _typed():
        for option in options:
            if typed == option or typed.startswith((f"{option}.", f"{option}/")):
                instead = f" {options[option]}" if isinstance(options, Mapping) else ""
                raise UserError(f"{typed} would change nothing: {why}{instead}; leave {typed}= out.")


def _check_below(command: str, key: str, node: dict[str, Any], used: Collection[str]) -> None:
    known = _plain_children(command, key)
    for name in node if known else ():
        if name not in known and f"{key}.{name}" not in used:
            raise UserError(f"{key}.{name} is unknown, nothing reads it; {_there_are(known)}.")


def _there_are(known: Collection[str]) -> str:
    return f"there are {', '.join(sorted(known))}"


def _typed() -> list[str]:
    """The full keys of the options that the command line names, those of groups with their `/`."""
    names = (entry.lstrip("+~").partition("=")[0] for entry in _hydra().get("overrides", {}).get("task", ()))
    # sampler@callbacks.fid.sampler=heun is callbacks.fid.sampler
    return [name.rpartition("@")[2] for name in names]


def _hydra() -> Any:
    """Hydra's own config, as plain containers."""
    cfg: Any = HydraConfig.instance().cfg
    return {} if cfg is None else OmegaConf.to_container(cfg.hydra)


def _interpolated(node: Any) -> Iterator[str]:
    """The full keys of which values of a plain config may be made, and the keys above them."""
    if isinstance(node, dict | list):
        for item in node.values() if isinstance(node, dict) else node:
            yield from _interpolated(item)
    elif isinstance(node, str) and "${" in node:
        for key in re.findall(r"\w+(?:\.\w+)*", node):
            words = key.split(".")
            yield from (".".join(words[:n]) for n in range(1, len(words) + 1))


@cache
def _file(name: str) -> dict[str, Any]:
    file = conf_folder() / f"{name}.yaml"
    return OmegaConf.to_container(OmegaConf.load(file)) if file.is_file() else {}  # type: ignore[return-value]


def _defaults(name: str) -> Iterator[tuple[str, Any]]:
    """The groups in the defaults of a config of ours and of those that it includes, with their options."""
    for entry in _file(name).get("defaults", []):
        if isinstance(entry, dict):
            yield from entry.items()
        elif entry != "_self_":
            yield from _defaults(entry)


def _files(command: str) -> list[str]:
    """The names of a command's config and of those that it includes."""
    included = (entry for entry in _file(command)["defaults"] if isinstance(entry, str) and entry != "_self_")
    return [command, *included]


@cache
def _options(command: str) -> frozenset[str]:
    """The keys at the top of a command's config that it reads."""
    own = {key for name in _files(command) for key in _file(name)} - {"defaults"}
    groups = {group for group, option in _defaults(command) if option is not None and " " not in group}
    return frozenset((own | groups) - {"hydra"})


@cache
def _groups(command: str) -> frozenset[str]:
    """The groups that may be chosen: those that the config does not set to null for good."""
    chosen = dict(_defaults(command))
    fixed = {group.partition("override /")[2] for group, option in chosen.items() if option is None}
    return frozenset(group for group in chosen if group not in fixed)


def _inline(command: str, key: str) -> list[dict[str, Any]]:
    """The nodes that a command's own YAML has for a key; none if a group does."""
    return [node for name in _files(command) if isinstance(node := _file(name).get(key), dict)]


@cache
def _plain_children(command: str, key: str) -> frozenset[str]:
    """The keys below a key in our YAML files; none if there are objects, as below `callbacks`."""
    nodes = _inline(command, key) or [
        _file(f"{key}/{path.stem}") for path in (conf_folder() / key).glob("*.yaml")
    ]
    children = {name: child for node in nodes for name, child in node.items()}
    return frozenset() if any(map(_is_object, children.values())) else frozenset(children)


def _is_object(node: Any) -> bool:
    return isinstance(node, dict) and "_target_" in node
