"""How evaluation.json is read, apart from all that measures: who reads need not wait for that."""

from typing import Any

RECORD = "evaluation.json"

SETS = {"samples": "{} images", "floor_same_n": "as many test images", "floor": "all test images"}
"""The sets of images in a record, and what each is called."""


def doubts(record: dict[str, Any]) -> list[str]:
    """Why figures are null, or mean less than they seem: a line for each reason and set of images."""
    return [
        f"{names} of {SETS[key].format(record['num_images'])}: {reason}"
        for key, reasons in record.get("reasons", {}).items()
        for reason, names in by_reason(reasons).items()
    ]


def by_reason(reasons: dict[str, str]) -> dict[str, str]:
    """Reason → the figures of which it is true, `fid, fid_test`."""
    figures: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        figures.setdefault(reason, []).append(name)
    return {reason: ", ".join(names) for reason, names in figures.items()}


def set_titles(record: dict[str, Any]) -> dict[str, str]:
    """Key → title of the sets that a record has."""
    return {key: title.format(record["num_images"]) for key, title in SETS.items() if key in record}


def cell(values: dict[str, float | None], name: str) -> str:
    """A figure in a table: `none` if it is null, nothing if it was not measured."""
    value = values.get(name)
    return f"{value:.5g}" if value is not None else "none" if name in values else ""
