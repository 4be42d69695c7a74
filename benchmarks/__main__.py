"""Measures everything: `python -m benchmarks`; README.md in this folder says what."""

import json
import os
import tempfile
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

from benchmarks.parts import PARTS, Part
from benchmarks.report import report
from benchmarks.running import Failed, measured, start
from benchmarks.settings import Settings
from diffusion_lightning.files import atomic_write

COMPARED = "cpu", "cores", "instructions", "gpu"
"""What the figures of one report have in common."""


def main() -> None:
    """Command line."""
    arguments = parsed()
    settings = Settings.of(arguments)
    with tempfile.TemporaryDirectory() as folder:
        # Of a compilation that was kept by an earlier run one would not see the cost
        os.environ["TORCHINDUCTOR_CACHE_DIR"] = folder
        try:
            hardware, _ = start("machine", "-", "-", settings)
        except Failed as error:
            raise SystemExit(f"error: {error}") from None
        hardware["name"] = arguments.name or hardware["name"]
        path = Path(arguments.out) / f"{hardware['name']}.json"
        known = kept(path, hardware)
        for name in arguments.only:
            part = measure(PARTS[name], settings, arguments.rounds)
            known[name] = part
            save(path, hardware, known)
    print(f"{path}\n{path.with_suffix('.md')}")


def parsed() -> Namespace:
    """The arguments; --quick is a single round."""
    parser = ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=list(PARTS), default=list(PARTS), help="parts; else all")
    parser.add_argument("--rounds", type=int, default=3, help="processes of each program")
    parser.add_argument("--out", default="benchmarks/results", help="folder of the report")
    parser.add_argument("--name", help="of the report; else the machine's")
    Settings.add_to(parser)
    return parser.parse_args()


def measure(part: Part, settings: Settings, rounds: int) -> dict[str, Any]:
    """The part's rows, with what they were measured with."""
    _, software = start("machine", "-", "-", settings)
    rounds = 1 if settings.quick else max(1, round(rounds * part.repeat))
    return {
        **{key: software[key] for key in ("date", "commit", "versions")},
        "device": settings.device,
        "quick": settings.quick,
        "rounds": rounds,
        "rows": measured(part, settings, rounds),
    }


def kept(path: Path, hardware: dict[str, Any]) -> dict[str, Any]:
    """The parts that the report has already; figures of different machines of one name do not mix."""
    if not path.exists():
        return {}
    report = json.loads(path.read_text(encoding="utf-8"))
    theirs, ours = (", ".join(str(m[key]) for key in COMPARED) for m in (report["machine"], hardware))
    if theirs != ours:
        raise SystemExit(
            f"error: {path} is of another machine ({theirs}), not of this one ({ours}); give this one's "
            "report another name: --name <name>."
        )
    return report["parts"]


def save(path: Path, hardware: dict[str, Any], parts: dict[str, Any]) -> None:
    """Write all parts into the JSON, and the report of them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    results = {"machine": hardware, "parts": {key: parts[key] for key in PARTS if key in parts}}
    with atomic_write(path) as file:
        file.write(json.dumps(results, indent=1) + "\n")
    with atomic_write(path.with_suffix(".md")) as file:
        file.write(report(results) + "\n")


if __name__ == "__main__":
    main()
