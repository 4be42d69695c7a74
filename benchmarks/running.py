"""Fresh processes, in rounds: what a process freed earlier changes its speed up to twofold."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from statistics import median

from benchmarks.parts import Part
from benchmarks.settings import Row, Settings

ROOT = Path(__file__).parents[1]

LIMIT = 3600.0
"""Seconds after which a program has failed."""


class Failed(Exception):
    """A program ended with this error."""


def measured(part: Part, settings: Settings, rounds: int) -> list[Row]:
    """A row for each program of each case: in every round they take turns.

    A program that fails is a row with its error, and is not tried again.
    """
    rows: dict[tuple[str, str], list[Row]] = {}
    failed: dict[tuple[str, str], str] = {}
    for case in dict.fromkeys(case for case, _ in part.jobs):
        for number in range(1, rounds + 1):
            for job in [job for job in part.jobs if job[0] == case and job not in failed]:
                label = f"{part.name}: {' '.join(job)}, round {number} of {rounds}"
                try:
                    found = start(part.name, *job, settings)
                except Failed as error:
                    failed[job] = str(error)
                    print(f"{label}: FAILED: {error}", flush=True)
                    continue
                for row in found:
                    rows.setdefault((row["case"], row["program"]), []).append(row)
                print(f"{label}: {_in_short(found)}", flush=True)
    errors = [{"case": case, "program": program, "error": error} for (case, program), error in failed.items()]
    return [_together(part_rows) for part_rows in rows.values()] + errors


def start(part: str, case: str, program: str, settings: Settings) -> list[Row]:
    """What one program measured in a process of its own.

    Raises:
        Failed: with its error, if there is nothing.
    """
    command = [sys.executable, "-m", "benchmarks.worker", part, case, program, *settings.arguments()]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT)
    except subprocess.TimeoutExpired:
        raise Failed(f"not done after {LIMIT:.0f} s") from None
    if done.returncode < 0:
        raise Failed(f"killed by {signal.Signals(-done.returncode).name}")
    if done.returncode > 0:
        raise Failed((done.stderr.strip().splitlines() or ["no error message"])[-1][:200])
    return json.loads(done.stdout.splitlines()[-1])


def _together(rows: list[Row]) -> Row:
    """All rounds of one program as one row: seconds and warm-up are spread out, memory is the largest."""
    row = dict(rows[0])
    if "seconds" in row:
        row["seconds"] = _spread([second for each in rows for second in each["seconds"]])
        row["rounds"] = [median(each["seconds"]) for each in rows]
    if "warmup" in row:
        row["warmup"] = _spread([each["warmup"] for each in rows])
    if "memory" in row:
        row["memory"] = max(each["memory"] for each in rows)
    return row


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": median(values), "min": min(values), "max": max(values), "count": len(values)}


def _in_short(rows: list[Row]) -> str:
    if len(rows) > 1 or "seconds" not in rows[0]:
        return f"{len(rows)} figures"
    return f"{1000 * median(rows[0]['seconds']):.4g} ms"
