"""Labels from a table beside the images, as Hugging Face's `imagefolder` reads them."""

import csv
import json
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from diffusion_lightning.errors import UserError

COLUMNS = "file_name", "label"


def read_labels(
    tables: Sequence[Path], images: Collection[Path], wanted: Collection[Path]
) -> dict[Path, str] | None:
    """The name of every image's class, from `metadata.csv` or `metadata.jsonl` in its folder or above it.

    The column file_name is the image's path from the table's folder, and label its class: a number or a name.

    Args:
        tables: the files.
        images: the images that a table may name.
        wanted: those that need a label.

    Returns:
        None if no table has both columns.

    Raises:
        UserError: if a table cannot be read, names an image that is not there or none, or if an image has no
            label, or two.
    """
    labels: dict[Path, str] = {}
    used: list[Path] = []
    known = set(images)
    for table in tables:
        rows = [(number, row) for number, row in _rows(table) if any(row.values())]
        if not rows or not all(column in rows[0][1] for column in COLUMNS):
            continue
        used.append(table)
        for number, row in rows:
            where = f"{table}, row {number}"
            image = table.parent / str(row.get("file_name")).replace("\\", "/")
            if image not in known:
                raise UserError(f"{where}: there is no image {image}; correct file_name, or remove the row.")
            if image in labels:
                raise UserError(f"{where}: {image} has a label already; keep one row for each image.")
            labels[image] = _label(row.get("label"), where)
    if not used:
        return None
    if without := [image for image in wanted if image not in labels]:
        raise UserError(
            f"{without[0]} has no row in {', '.join(map(str, used))}, one of {len(without)} such images; add "
            "their rows, or move them elsewhere."
        )
    return labels


def class_order(names: Iterable[str]) -> list[str]:
    """The distinct names: numbers by size, others by the alphabet."""
    distinct = set(names)
    return sorted(distinct, key=int) if all(map(_is_number, distinct)) else sorted(distinct)


def by_number(names: Iterable[str], class_names: Sequence[str]) -> bool:
    """Whether the names are the numbers of these classes."""
    return all(_is_number(name) and int(name) in range(len(class_names)) for name in names)


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit() and str(int(name)) == name


def _label(value: Any, where: str) -> str:
    if isinstance(value, bool | float | list | dict) or value is None or str(value).strip() == "":
        raise UserError(f"{where}: label is {value!r}; it must be one class, a number or a name.")
    return str(value).strip()


def _rows(table: Path) -> list[tuple[int, dict[str, Any]]]:
    """The rows of a table, with their line numbers."""
    try:
        with table.open(encoding="utf-8-sig", newline="") as file:
            if table.suffix.lower() == ".csv":
                rows = [dict(row) for row in csv.DictReader(file)]
                return list(enumerate(rows, 2))
            lines = enumerate(file, 1)
            parsed = [(number, json.loads(line)) for number, line in lines if line.strip()]
    except (ValueError, csv.Error) as error:
        raise UserError(
            f"{table} cannot be read ({error}); it must be UTF-8, one row for each image."
        ) from None
    if not all(isinstance(row, dict) for _, row in parsed):
        raise UserError(
            f'{table}: each line must be an object, such as {{"file_name": "1.png", "label": 0}}.'
        )
    return parsed
