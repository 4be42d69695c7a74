"""Draw docs/floors.svg: the floors of the package and the imports between them, as the code has them.

`python docs/draw_floors.py` reads the list of floors from import-linter's contract in pyproject.toml, and
everything else from the sources. It needs only the standard library, and draws the same bytes every time.
"""

import ast
import colorsys
import re
import textwrap
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10, where pytest and import-linter bring its ancestor
    import tomli as tomllib  # type: ignore[no-redef]

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "diffusion_lightning"
SVG = ROOT / "docs" / "floors.svg"


# ---- what the code says --------------------------------------------------------------------------------


@dataclass(frozen=True)
class Room:
    """A package or module directly below the root package."""

    name: str
    purpose: str
    files: tuple[str, ...]
    lines: int


@dataclass(frozen=True)
class House:
    """Floors from top to bottom, and (importing room, imported room) → number of import statements."""

    floors: tuple[tuple[Room, ...], ...]
    imports: Counter[tuple[str, str]]

    def number(self, room: str) -> int:
        """The floor of a room; 1 is the ground.

        Raises:
            SystemExit: if no floor has it.
        """
        for number, floor in enumerate(reversed(self.floors), start=1):
            if any(room == other.name for other in floor):
                return number
        raise SystemExit(f"{PACKAGE}/{room} is on no floor: add it to the layers contract in pyproject.toml.")

    def between_floors(self) -> Counter[tuple[int, int]]:
        """(importing floor, imported floor) → number of import statements."""
        counts: Counter[tuple[int, int]] = Counter()
        for (source, target), count in self.imports.items():
            counts[self.number(source), self.number(target)] += count
        return counts

    def upward(self) -> list[str]:
        """The imports of a higher floor, as "room imports room"; the contract allows none."""
        return [f"{a} imports {b}" for a, b in sorted(self.imports) if self.number(a) < self.number(b)]


def contract(pyproject: Path = ROOT / "pyproject.toml") -> list[list[str]]:
    """The rooms of each floor, from top to bottom, as import-linter's layers contract lists them."""
    settings = tomllib.loads(pyproject.read_text(encoding="utf-8"))["tool"]["importlinter"]
    (layers,) = (c["layers"] for c in settings["contracts"] if c["type"] == "layers")
    floors = [re.split(r"\s*[|:]\s*", layer) for layer in layers]
    return [[room.strip("( )").removeprefix(f"{PACKAGE}.") for room in floor] for floor in floors]


def read_house(package: Path = ROOT / PACKAGE, floors: list[list[str]] | None = None) -> House:
    """The house as it stands in the sources; a room of the contract that does not exist is left out."""
    rooms = {room.name: room for room in map(_room, sorted(package.iterdir())) if room}
    named = [[rooms[name] for name in floor if name in rooms] for floor in floors or contract()]
    imports = Counter(
        (source, target)
        for source in rooms
        for file in _sources(package, source)
        for target in _imported_rooms(file.read_text(encoding="utf-8"))
        if target != source and target in rooms
    )
    return House(tuple(tuple(floor) for floor in named if floor), imports)


def _sources(package: Path, room: str) -> list[Path]:
    return sorted((package / room).rglob("*.py")) or [package / f"{room}.py"]


def _room(path: Path) -> Room | None:
    entry = path / "__init__.py" if path.is_dir() else path
    if entry.suffix != ".py" or path.stem == "__init__" or not entry.exists():
        return None
    purpose = (ast.get_docstring(ast.parse(entry.read_text(encoding="utf-8"))) or "").partition("\n")[0]
    sentence = re.split(r"(?<=\.) ", purpose)[0]
    inside = sorted(path.iterdir()) if path.is_dir() else []
    folders = [f"{p.name}/" for p in inside if (p / "__init__.py").exists()]
    modules = [p.stem for p in inside if p.suffix == ".py" and p.stem != "__init__"]
    lines = sum(
        len(file.read_text(encoding="utf-8").splitlines()) for file in _sources(path.parent, path.stem)
    )
    return Room(path.stem, sentence, (*modules, *folders), lines)


def _imported_rooms(source: str) -> Iterator[str]:
    """The room of each import of this package, also those inside functions or for types only."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = names if node.module == PACKAGE else names[:1]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        yield from (name.split(".")[1] for name in names if name.startswith(f"{PACKAGE}."))


# ---- the picture ---------------------------------------------------------------------------------------

WIDTH, MARGIN, TITLE = 1080, 24, 78
NUMBER, LANE, GUTTER = 44, 19, 34  # widths of a floor's number, of a lane, and between bands and lanes
ROW, GAP, PAD = 15, 12, 12  # heights of a line of text and between floors, and space inside a box
LETTER = 5.9  # average width of a letter of 10.5 px
INK, TEXT, PALE = "#1f2933", "#3e4c59", "#7b8794"
BAR = WIDTH - MARGIN - GUTTER  # where the outermost lane is


def draw(house: House) -> str:
    """The SVG: floors as bands, rooms as boxes, and per floor one line that runs down to what it imports."""
    count = len(house.floors)
    right = BAR - LANE * (count - 2)
    arrows = {pair: n for pair, n in sorted(house.between_floors().items()) if pair[0] > pair[1]}
    bands: dict[int, tuple[float, float]] = {}
    body, top = [], float(TITLE)
    for number, floor in zip(range(count, 0, -1), house.floors, strict=True):
        boxes = _boxes(floor, MARGIN + NUMBER, right - PAD)
        entrances = sum(target == number for _, target in arrows)
        rows = max(len(_rows(room, width)) for room, _, width in boxes)
        height = max(2 * PAD + ROW * rows + 38, ROW * entrances + 24)
        bands[number] = top, height
        colour = _colour(number, count)
        body.append(_band(number, top, height, right, colour))
        body += [_box(room, x, top + PAD, width, height - 2 * PAD, colour) for room, x, width in boxes]
        top += height + GAP
    for source in range(count, 1, -1):
        body += _line(
            source, arrows, bands, right + GUTTER + LANE * (source - 2), right, _colour(source, count)
        )
    return "\n".join([_head(top + 8), *body, "</svg>", ""])


def _colour(number: int, count: int) -> str:
    hue = 0.62 - 0.56 * (count - number) / max(count - 1, 1)
    return "#" + "".join(f"{round(255 * part):02x}" for part in colorsys.hls_to_rgb(hue, 0.42, 0.5))


def _text(x: float, y: float, text: str, size: float = 10.5, fill: str = TEXT, style: str = "") -> str:
    return f"<text x='{x:g}' y='{y:g}' font-size='{size:g}' fill='{fill}' {style}>{escape(text)}</text>"


def _head(height: float) -> str:
    font = "Helvetica Neue, Helvetica, Arial, DejaVu Sans, sans-serif"
    said = (
        "A floor imports only floors below it. A line of a floor's colour ends at each floor it imports; the "
        "numbers count import statements."
    )
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height:g}' font-family='{font}'>",
            "<!-- drawn by docs/draw_floors.py from the code's own imports; not to be edited -->",
            f"<rect width='{WIDTH}' height='{height:g}' rx='12' fill='#fcfcfd'/>",
            _text(MARGIN, 34, f"The floors of {PACKAGE}", 19, INK, "font-weight='bold'"),
            _text(MARGIN, 56, said, 11.5),
        ]
    )


def _boxes(floor: tuple[Room, ...], left: float, right: float) -> list[tuple[Room, float, float]]:
    """(room, x, width) for each box of a floor; the more a room holds, the wider its box."""
    gap = 10
    weights = [10 + sum(len(name) for name in room.files) ** 0.5 for room in floor]
    space = right - left - gap * (len(floor) - 1)
    widths = [space * weight / sum(weights) for weight in weights]
    edges = [left + sum(widths[:i]) + gap * i for i in range(len(floor))]
    return list(zip(floor, edges, widths, strict=True))


def _size(room: Room) -> str:
    return f"{round(room.lines, -2):,} lines" if room.lines >= 100 else "< 100 lines"


def _fits_beside_name(room: Room, width: float) -> bool:
    return LETTER * (1.5 * len(room.name) + len(_size(room))) < width - 2 * PAD


def _rows(room: Room, width: float) -> list[tuple[str, str]]:
    """What a box says below its name: lines of text, each with its colour."""
    letters = int((width - 2 * PAD) / LETTER)
    purpose, files = (
        textwrap.wrap(text, letters, break_long_words=False, break_on_hyphens=False)
        for text in (room.purpose, "  ".join(room.files))
    )
    size = [] if _fits_beside_name(room, width) else [_size(room)]
    return [(line, TEXT) for line in purpose] + [(line, PALE) for line in files + size]


def _band(number: int, y: float, height: float, right: float, colour: str) -> str:
    bold = "text-anchor='middle' font-weight='bold'"
    return "\n".join(
        [
            f"<rect x='{MARGIN}' y='{y:g}' width='{right - MARGIN:g}' height='{height:g}' rx='8' "
            f"fill='{colour}' fill-opacity='0.1'/>",
            f"<rect x='{MARGIN}' y='{y:g}' width='5' height='{height:g}' rx='2.5' fill='{colour}'/>",
            _text(MARGIN + 24, y + height / 2 + 7, str(number), 20, colour, bold),
        ]
    )


def _box(room: Room, x: float, y: float, width: float, height: float, colour: str) -> str:
    drawn = [
        f"<rect x='{x:g}' y='{y:g}' width='{width:g}' height='{height:g}' rx='6' fill='#fff' "
        f"stroke='{colour}' stroke-opacity='0.5'/>",
        _text(x + PAD, y + 20, room.name, 13, INK, "font-weight='bold'"),
    ]
    if _fits_beside_name(room, width):
        drawn.append(_text(x + width - PAD, y + 20, _size(room), 10, PALE, "text-anchor='end'"))
    for i, (line, shade) in enumerate(_rows(room, width)):
        drawn.append(_text(x + PAD, y + 39 + ROW * i, line, fill=shade, style="xml:space='preserve'"))
    return "\n".join(drawn)


def _line(
    source: int,
    arrows: dict[tuple[int, int], int],
    bands: dict[int, tuple[float, float]],
    lane: float,
    right: float,
    colour: str,
) -> list[str]:
    """The line of one floor: down its own lane, with an arrow into each floor that it imports."""
    ends = {
        target: _entrance(source, target, arrows, *bands[target]) for one, target in arrows if one == source
    }
    if not ends:
        return []
    start, bottom = bands[source][0] + 14, max(ends.values())
    drawn = [
        f"<path d='M{right:g} {start:g} H{lane - 7:g} q7 0 7 7 V{bottom - 7:g}' fill='none' "
        f"stroke='{colour}' stroke-width='1.8'/>"
    ]
    for target, y in ends.items():
        n = arrows[source, target]
        drawn += [
            f"<path d='M{lane:g} {y - 7:g} q0 7 -7 7 H{right + 8:g}' fill='none' stroke='{colour}' "
            f"stroke-width='{1 + 0.4 * n.bit_length():g}'/>",
            f"<path d='M{right + 1:g} {y:g} l9 -4.5 v9 z' fill='{colour}'/>",
            _text(right + 12, y - 3, str(n), 9, colour, "font-weight='bold'"),
        ]
    return drawn


def _entrance(
    source: int, target: int, arrows: dict[tuple[int, int], int], top: float, height: float
) -> float:
    """The height at which a floor's arrow enters another: the higher its floor, the lower it enters."""
    above = sum(other == target and one > source for one, other in arrows)
    return top + height - 12 - ROW * above


def main() -> None:
    """Write the picture.

    Raises:
        SystemExit: if a floor imports a higher one.
    """
    house = read_house()
    if upward := house.upward():
        raise SystemExit(f"not drawn, as there are imports upwards: {', '.join(upward)}")
    SVG.write_text(draw(house), encoding="utf-8")
    print(f"drawn: {SVG.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
