"""JSON → Markdown: the machine, and a table and its sentences for each part."""

from collections.abc import Callable, Iterator
from typing import Any

from benchmarks.findings import findings, roofs
from benchmarks.parts import PARTS, Part
from benchmarks.settings import Row

Column = tuple[str, Callable[[Row], str | None]]
"""Heading, and what a row has there; a column that no row has anything for is left out."""


def report(results: dict[str, Any]) -> str:
    """The whole report."""
    lines = [f"# Benchmarks: {results['machine']['name']}", "", *_machine(results), ""]
    for name, measured in results["parts"].items():
        part, rows = PARTS[name], measured["rows"]
        lines += [f"## {name.capitalize()}", "", f"{part.what} {_provenance(measured)}", ""]
        columns = _columns(part, rows, roofs(results))
        for case in dict.fromkeys(row["case"] for row in rows):
            lines += [*_table(case, columns, [row for row in rows if row["case"] == case]), ""]
        lines += [f"- {sentence}" for sentence in findings(name, results)]
        lines += [""] if lines[-1] else []
    return "\n".join(lines).rstrip()


def _machine(results: dict[str, Any]) -> Iterator[str]:
    machine = results["machine"]
    cores, threads = f"{machine['cores']} cores", f"{machine['threads']} threads"
    yield ", ".join(filter(None, (machine["gpu"], machine["cpu"], cores, threads, machine["instructions"])))
    versions = (", ".join(map(" ".join, part["versions"].items())) for part in results["parts"].values())
    for line in dict.fromkeys(versions):
        yield f"Versions: {line}"
    yield "Seconds are medians over all timed steps of all rounds, with the least and the greatest."
    if any(part["quick"] for part in results["parts"].values()):
        yield "**Quick parts are a smoke test: their figures mean nothing.**"


def _provenance(measured: dict[str, Any]) -> str:
    quick = ", **quick**" if measured["quick"] else ""
    rounds = f"{measured['rounds']} rounds" if measured["rounds"] > 1 else "1 round"
    return f"({measured['date']}, commit {measured['commit']}, {measured['device']}, {rounds}{quick})"


def _columns(part: Part, rows: list[Row], roof: dict[str, float]) -> list[Column]:
    reference = {row["case"]: row for row in rows if row["program"] == part.reference and "seconds" in row}

    def of_roof(row: Row) -> str | None:
        rate = _rate(row)
        return f"{100 * rate / roof[row['dtype']]:.0f} %" if rate and row["dtype"] in roof else None

    def speed(row: Row) -> str | None:
        if "seconds" not in row or row["case"] not in reference:
            return None
        return f"{reference[row['case']]['seconds']['median'] / row['seconds']['median']:.2f}"

    return [
        (f"ms per {part.unit}", lambda row: row.get("error") or _spread(row.get("seconds"), 1000)),
        (
            "images/s",
            lambda row: _figure(row["images"] / row["seconds"]["median"]) if "images" in row else None,
        ),
        ("FID", lambda row: _figure(row["FID"]) if "FID" in row else None),
        ("GFLOP", lambda row: _figure(row["flop"] / 1e9) if "flop" in row else None),
        ("GFLOP/s", lambda row: _figure(rate / 1e9) if (rate := _rate(row)) else None),
        ("of the roof", of_roof),
        ("warm-up, s", lambda row: _spread(row.get("warmup"), 1)),
        ("peak memory, MiB", lambda row: _figure(row["memory"] / 2**20) if "memory" in row else None),
        ("parameters, M", lambda row: _figure(row["parameters"] / 1e6) if "parameters" in row else None),
        (f"speed, × {part.reference}", speed),
    ]


def _table(case: str, columns: list[Column], rows: list[Row]) -> Iterator[str]:
    cells = {heading: [cell(row) for row in rows] for heading, cell in columns}
    shown = {heading: column for heading, column in cells.items() if any(column)}
    yield f"| {case} | {' | '.join(shown)} |"
    yield "|---" * (1 + len(shown)) + "|"
    for i, row in enumerate(rows):
        yield f"| {row['program']} | {' | '.join(column[i] or '' for column in shown.values())} |"


def _rate(row: Row) -> float | None:
    """FLOP a second."""
    return row["flop"] / row["seconds"]["median"] if "flop" in row else None


def _spread(spread: dict[str, float] | None, unit: float) -> str | None:
    if spread is None:
        return None
    middle, low, high = (_figure(unit * spread[key]) for key in ("median", "min", "max"))
    return middle if spread["count"] == 1 else f"{middle} ({low}–{high})"


def _figure(x: float) -> str:
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"
