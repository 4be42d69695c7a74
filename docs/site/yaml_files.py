"""The files of conf/ with what YAML readers drop: the comments, and each value as it is written."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import yaml

from docs.site.links import CONF

DIRECTIVE = "# @package "


@dataclass(frozen=True)
class Node:
    """A value of a YAML file: as it is written, what its comment says, and the values below it by name."""

    text: str
    comment: str = ""
    below: dict[str, "Node"] = field(default_factory=dict)

    @property
    def target(self) -> str:
        """The class that it is built from, if any."""
        return self.below["_target_"].text if "_target_" in self.below else ""

    def at(self, key: str) -> "Node":
        """The value at a dotted key; an empty one if there is none."""
        node = self
        for name in key.split("."):
            node = node.below.get(name, Node(""))
        return node


@dataclass(frozen=True)
class YAMLFile:
    """A file of conf/: its text, the comment and the commands at its head, its defaults list, its values."""

    text: str
    comment: str
    commands: list[str]
    package: str
    defaults: list[Any]
    node: Node


@cache
def read(name: str) -> YAMLFile:
    """The file `conf/<name>.yaml`."""
    text = (CONF / f"{name}.yaml").read_text(encoding="utf-8")
    lines = text.splitlines()
    head = []
    while len(head) < len(lines) and lines[len(head)].startswith("#"):
        head.append(lines[len(head)])
    said = [line.removeprefix("# ") for line in head if not line.startswith(DIRECTIVE)]
    return YAMLFile(
        text,
        comment=" ".join(line for line in said if not line.startswith("python ")),
        commands=[line for line in said if line.startswith("python ")],
        package="".join(line.removeprefix(DIRECTIVE) for line in head if line.startswith(DIRECTIVE)),
        defaults=(yaml.safe_load(text) or {}).get("defaults", []),
        node=_node(yaml.compose(text), text, lines, ""),
    )


@cache
def groups() -> dict[str, list[str]]:
    """Group → the names of its files: `sampler/grid` → [karras, …]."""
    found: dict[str, list[str]] = {}
    for path in sorted(CONF.rglob("*.yaml")):
        if path.parent != CONF:
            found.setdefault(path.parent.relative_to(CONF).as_posix(), []).append(path.stem)
    return dict(sorted(found.items()))


@cache
def commands() -> list[str]:
    """The configs of the commands, and what several of them share."""
    return [path.stem for path in sorted(CONF.glob("*.yaml"))]


def _node(value: yaml.Node | None, text: str, lines: list[str], comment: str) -> Node:
    if value is None:
        return Node("")
    written = text[value.start_mark.index : value.end_mark.index].strip()
    below = {}
    if isinstance(value, yaml.MappingNode):
        for key, child in value.value:
            if key.value != "defaults":
                below[key.value] = _node(child, text, lines, _comment(lines, key.start_mark))
    return Node(written, comment, below)


def _comment(lines: list[str], key: yaml.Mark) -> str:
    """What stands behind a key's value on its line, after what stands above the key in lines of its own."""
    above = list(_above(lines, key))
    behind = re.search(r"\s#\s+(.*)$", lines[key.line])
    return " ".join([*reversed(above), *([behind[1]] if behind else [])])


def _above(lines: list[str], key: yaml.Mark) -> Iterator[str]:
    """The lines of comment above a key, from below; the comment at the head of a file is the file's."""
    at = key.line - 1
    found = []
    while at >= 0 and re.match(rf"\s{{{key.column}}}#", lines[at]):
        found.append(lines[at].strip().lstrip("# "))
        at -= 1
    yield from found if at >= 0 else []
