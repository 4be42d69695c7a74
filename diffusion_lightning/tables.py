"""Tables as files: CSV and Markdown."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

from diffusion_lightning.files import atomic_write


def write_csv(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows with the same keys as CSV."""
    with atomic_write(path, writer=uuid4().hex) as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)


def write_markdown(rows: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Write rows with the same keys as a Markdown table."""

    def line(cells: Iterable[Any]) -> str:
        return f"| {' | '.join(f'{x:.5g}' if isinstance(x, float) else str(x) for x in cells)} |\n"

    body = "".join(line(row.values()) for row in rows)
    with atomic_write(path, writer=uuid4().hex) as file:
        file.write(line(rows[0]) + line(["---"] * len(rows[0])) + body)
