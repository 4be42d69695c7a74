"""The pages of the API: the public names of `diffusion_lightning/__init__.pyi`, room by room."""

import ast
import re
from collections.abc import Iterator
from functools import cache

from docs.draw_floors import PACKAGE, Room, read_house
from docs.site.links import DOCS, ROOT

INDEX = """# API

All of these are `diffusion_lightning.<name>`, and what `_target_` in a config says. A room is a folder or a
file of the package: [the map](../architecture.md).

| room | public names |
|---|---|
"""
SHOWN = re.compile(rf"^::: {PACKAGE}\.(\w+)", re.M)


@cache
def public_names() -> dict[str, str]:
    """Public name → the module that defines it, below the package, in the order of the modules."""
    tree = ast.parse((ROOT / PACKAGE / "__init__.pyi").read_text(encoding="utf-8"))
    imports = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.level == 1]
    return {alias.name: node.module or "" for node in imports for alias in node.names}


_house = cache(read_house)


@cache
def pages() -> dict[str, str]:
    """Path in the site → Markdown of the page, for each room that has public names, from the roof down."""
    house = _house()
    texts = {room.name: _page(room) for floor in house.floors for room in floor}
    made = {f"api/{name}.md": text for name, text in texts.items() if text}
    return {"api/index.md": _index(), **made}


@cache
def shown_elsewhere() -> dict[str, str]:
    """Public name → the written page that documents it, such as a sampler's in the gallery."""
    return {
        name: page.relative_to(DOCS).as_posix()
        for page in sorted(DOCS.rglob("*.md"))
        for name in SHOWN.findall(page.read_text(encoding="utf-8"))
    }


def _rooms_names(room: str) -> list[str]:
    return [name for name, module in public_names().items() if module.partition(".")[0] == room]


def _page(room: Room) -> str:
    """The room's purpose and its names; nothing if it has none."""
    names = _rooms_names(room.name)
    if not names:
        return ""
    return "\n\n".join([f"# {room.name}", room.purpose, *_entries(names)]) + "\n"


def _entries(names: list[str]) -> Iterator[str]:
    elsewhere = shown_elsewhere()
    for name in names:
        if name not in elsewhere:
            yield f"::: {PACKAGE}.{name}\n    options:\n      heading_level: 2"
    if there := [name for name in names if name in elsewhere]:
        pages = sorted({elsewhere[name] for name in there})
        listed = ", ".join(f"[{name}][{PACKAGE}.{name}]" for name in there)
        yield f"On {', '.join(f'[{page}](../{page})' for page in pages)}: {listed}."


def _index() -> str:
    """Every public name with the room it stands in."""
    rows = [
        f"| [`{room.name}`]({room.name}.md) | {' '.join(_link(name) for name in names)} |"
        for floor in _house().floors
        for room in floor
        if (names := _rooms_names(room.name))
    ]
    return INDEX + "\n".join(rows) + "\n"


def _link(name: str) -> str:
    return f"[`{name}`][{PACKAGE}.{name}]"
