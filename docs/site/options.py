"""The pages of the options: every file of conf/, with the type, the default and the meaning of every value.

A value's type is what the checks of a config ask for, its default what the YAML file says, and its meaning
what the constructor's docstring says, or the YAML file's comment.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from diffusion_lightning.config import types
from docs.site.arguments import Argument, arguments, summary
from docs.site.yaml_files import Node, YAMLFile, commands, groups, read

INDEX = """# Options

A group is a folder of `conf/`, and `group=name` chooses one of its files: `schedule=cosine`. What the file
says is changed by `group.key=value`: `schedule.T=500`. An option with a `+` is an argument no file names, and
`+guidance.rescale=0.7` adds it. `python train.py --help` shows all that a run has, and [Options of the
commands](commands.md) what is in no group. `None` in a meaning is `null` on the command line.

These pages are made from the files of `conf/` and from the constructors that they name.

| group | options | commands that choose one, and which |
|---|---|---|
"""
HEAD = "| option | type | default | meaning |\n|---|---|---|---|"
SHARED = "from_checkpoint"


@dataclass(frozen=True)
class Option:
    """One row: what is typed, what it may be, what it is otherwise, and what it does."""

    key: str
    kind: str
    default: str
    meaning: str

    def __str__(self) -> str:
        cells = f"`{self.key}`", self.kind, f"`{self.default}`", self.meaning
        return f"| {' | '.join(_cell(cell) for cell in cells)} |"


@cache
def pages() -> dict[str, str]:
    """Path in the site → Markdown: the groups, what the commands have besides, and a page for each group."""
    of_groups = {f"options/{group.replace('/', '_')}.md": _group_page(group) for group in groups()}
    return {"options/index.md": _index(), "options/commands.md": _commands_page(), **of_groups}


def every_option() -> Iterator[Option]:
    """All rows of all pages."""
    for command in commands():
        yield from command_options(command)
    for group, names in groups().items():
        for name in names:
            yield from group_options(group, name)


# ---- the commands ----


def command_options(command: str) -> list[Option]:
    """What a command's own YAML has besides its groups."""
    file, chosen = read(command), _chosen(command)
    rows = []
    for key, node in file.node.below.items():
        if key in chosen:
            continue
        if node.below and key in groups():  # a part of a group's object, as of guidance
            rows += _of_object(key, node, read(f"{key}/{groups()[key][0]}").node.target)
        else:
            rows += _of_plain(key, node)
    return rows


def _chosen(command: str) -> dict[str, str]:
    """Group → the option that a command chooses where nothing else does; null for none."""
    entries = [entry for entry in read(command).defaults if isinstance(entry, dict)]
    included = [entry for entry in read(command).defaults if isinstance(entry, str) and entry in commands()]
    return {
        **{group: option for name in included for group, option in _chosen(name).items()},
        **{
            group: "null" if option is None else option
            for entry in entries
            for group, option in entry.items()
            if not group.startswith("override ")
        },
    }


def _commands_page() -> str:
    parts = ["# Options of the commands", "What a command has besides its [groups](index.md)."]
    for command in commands():
        file = read(command)
        parts += [f"## {command}", _sentence(file.comment), _shell(file)]
        if SHARED in file.defaults:
            parts.append(f"All of [{SHARED}](#{SHARED}), and:")
        parts += _table(command_options(command))
    return "\n\n".join(part for part in parts if part) + "\n"


# ---- the groups ----


def _index() -> str:
    """Every group with its options, and which commands have it."""
    of_commands = {command: _chosen(command) for command in commands() if command != SHARED}
    rows = []
    for group, names in groups().items():
        defaults = {command: chosen[group] for command, chosen in of_commands.items() if group in chosen}
        there = ", ".join(f"{command} (`{option}`)" for command, option in defaults.items())
        listed = " ".join(f"`{name}`" for name in names)
        rows.append(_cells(f"[`{group}`]({group.replace('/', '_')}.md)", listed, there))
    return INDEX + "\n".join(rows) + "\n"


def group_options(group: str, name: str) -> list[Option]:
    """The rows of one file of a group."""
    file, prefix = read(f"{group}/{name}"), group.replace("/", ".")
    node = file.node
    if file.package == "hydra":
        prefix = "hydra"
    elif file.package:
        prefix, node = group, node.at(group)
    rows = list(_of_groups(group, file))
    return rows + (
        _of_object(prefix, node, target) if (target := _target(group, file)) else _below(prefix, node)
    )


def _target(group: str, file: YAMLFile) -> str:
    """The class that a file's values are arguments of, be it named in the file that this one extends."""
    node = file.node.at(group) if file.package == "_global_" else file.node
    extended = [entry for entry in file.defaults if isinstance(entry, str) and entry in groups()[group]]
    return node.target or "".join(read(f"{group}/{entry}").node.target for entry in extended)


def _of_groups(group: str, file: YAMLFile) -> Iterator[Option]:
    """The groups that a file chooses from: `sampler/grid=`, or `sampler@callbacks.fid.sampler=`."""
    for entry in file.defaults:
        if not isinstance(entry, dict) or next(iter(entry)).startswith("override "):
            continue
        ((name, option),) = entry.items()
        chosen, _, place = name.partition("@")
        chosen = chosen[1:] if chosen[:1] == "/" else f"{group}/{chosen}"
        where, _, inner = (place or name).rpartition(".")
        known = arguments(file.node.at(where).target or _target(group, file))
        kind = f"[{chosen}]({chosen.replace('/', '_')}.md)"
        said = known.get(inner) or known.get(where, Argument())
        yield Option(f"{chosen}@{group}.{place}" if place else chosen, kind, option, said.meaning)


def _group_page(group: str) -> str:
    parts = [f"# {group}"]
    for name in groups()[group]:
        file = read(f"{group}/{name}")
        parts.append(f"## {group}={name}")
        targets = [_target(group, file), *(node.target for node in file.node.below.values())]
        parts += [" ".join(filter(None, [_sentence(file.comment), *map(summary, targets)])), _shell(file)]
        extended = [entry for entry in file.defaults if isinstance(entry, str) and entry in groups()[group]]
        parts += [f"All of [{group}={entry}](#{_anchor(group, entry)}), and:" for entry in extended]
        parts += _table(group_options(group, name))
        if file.package == "_global_":
            besides = "It also sets:" if file.node.at(group).below else ""
            parts += [besides, f"```yaml\n{_without_own(file, group)}\n```"]
    return "\n\n".join(part for part in parts if part) + "\n"


def _without_own(file: YAMLFile, group: str) -> str:
    """The text of a file without the part of its own group, which has a table, and without directives."""
    own = re.sub(rf"^{group}:\n(?:  .*\n)+", "", file.text, flags=re.M)
    return re.sub(r"\A(?:#.*\n)+", "", own).strip()


def _anchor(group: str, name: str) -> str:
    return re.sub(r"[^\w-]", "", f"{group}={name}")


# ---- rows ----


def _of_object(prefix: str, node: Node, target: str) -> list[Option]:
    """The arguments of an object's constructor: those that the file has, and those that `+` adds."""
    known, rows = arguments(target), []
    for name, below in node.below.items():
        if name.startswith("_"):
            continue
        argument, key = known.get(name, Argument()), f"{prefix}.{name}"
        if below.target:
            rows += _of_object(key, below, below.target)
        elif below.below and not any(value.target for value in below.below.values()):
            rows += _below(key, below)
        else:
            default = ", ".join(below.below) or below.text
            rows.append(Option(key, _kind(argument.kind, below), default, _meaning(argument, below)))
    return rows + [
        Option(f"+{prefix}.{name}", argument.kind, argument.default, _sentence(argument.meaning))
        for name, argument in known.items()
        if argument.ours and argument.default and name not in node.below
    ]


def _below(prefix: str, node: Node) -> list[Option]:
    """The values below a key that is no object."""
    return [row for name, below in node.below.items() for row in _of_plain(f"{prefix}.{name}", below)]


def _of_plain(key: str, node: Node) -> list[Option]:
    if node.target:
        return _of_object(key, node, node.target)
    if node.below:
        return _below(key, node)
    kind = types.described(types.OPTIONS[key]) if key in types.OPTIONS else ""
    return [Option(key, _kind(kind, node), node.text, _sentence(node.comment))]


def _kind(kind: str, node: Node) -> str:
    """The type; of a value that no constructor takes, the type of its default."""
    if not kind:
        kind = _plain_kind(node.text)
    return f"{kind} or null" if node.text == "null" and "null" not in kind else kind


def _plain_kind(text: str) -> str:
    if text in ("true", "false"):
        return "true or false"
    if re.fullmatch(r"-?\d+", text):
        return "an integer"
    return (
        "a number" if re.fullmatch(r"-?\d*\.?\d+(e-?\d+)?", text) else "a list" if text[:1] == "[" else "text"
    )


def _meaning(argument: Argument, node: Node) -> str:
    """What our docstring says, else the comment in the file, else the docstring of another library."""
    return _sentence(argument.meaning if argument.ours else node.comment or argument.meaning)


def _sentence(text: str) -> str:
    return text + ("" if not text or text[-1] in ".:?…" else ".")


def _shell(file: YAMLFile) -> str:
    """The commands at the head of a file."""
    return "\n".join(["```sh", *file.commands, "```"]) if file.commands else ""


def _table(rows: list[Option]) -> list[str]:
    return ["\n".join([HEAD, *map(str, rows)])] if rows else []


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    """Text for a cell of a table: in one line, with nothing that ends the cell or begins a tag."""
    parts = " ".join(text.split()).replace("|", "\\|").split("`")
    return "`".join(part if i % 2 else part.replace("<", "&lt;") for i, part in enumerate(parts))
