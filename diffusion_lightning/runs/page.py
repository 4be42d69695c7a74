"""A run, two runs or a sweep as one page of HTML that needs no other file."""

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from diffusion_lightning import __version__
from diffusion_lightning.runs.about import at_a_glance, provenance
from diffusion_lightning.runs.configs import config_table, difference
from diffusion_lightning.runs.figures import evaluation_part, evaluations_of, logged_figures
from diffusion_lightning.runs.panels import charts_of, sweep_charts
from diffusion_lightning.runs.pictures import grids, spread
from diffusion_lightning.runs.run import Run
from diffusion_lightning.runs.sweep import Sweep
from diffusion_lightning.runs.tables import Link, Named, Table, last, number

LONGEST = 48
"""Characters of a run's name at most; the provenance has its whole folder."""


def run_page(runs: Sequence[Run], elsewhere: Path | None = None, pictures: int = 12) -> str:
    """The page of a run, or of two side by side.

    Args:
        runs: one or two.
        elsewhere: a folder of evaluations; those of the runs' checkpoints are shown too.
        pictures: how many grids of each run are shown at most.
    """
    named = dict(zip(names_of([run.folder for run in runs]), runs, strict=True))
    several = len(named) > 1
    evaluations = [
        evaluation_part(evaluation, name if several else "")
        for name, run in named.items()
        for evaluation in evaluations_of(run, elsewhere)
    ]
    return _written(
        "run",
        title=" and ".join(named),
        notes=_notes(named, several),
        glance=at_a_glance(named),
        figures=logged_figures(named),
        evaluations=evaluations,
        charts=charts_of({name: run.metrics for name, run in named.items()}),
        grids={name: grids(spread(run.pictures, pictures)) for name, run in named.items()},
        difference=difference(named) if several else None,
        configs=[config_table(name, run) for name, run in named.items()],
        provenance=provenance(named),
    )


def sweep_page(sweep: Sweep) -> str:
    """The page of a sweep: its leaderboard, the curves of all jobs together, and each job."""
    jobs = _named_jobs(sweep)
    board, same = _leaderboard(sweep, {run.folder.name: name for name, run in jobs.items()})
    shown = [
        {
            "name": name,
            "notes": _notes({name: run}, several=False),
            "glance": at_a_glance({name: run}),
            "figures": logged_figures({name: run}),
            "grids": grids(run.pictures[-1:]),
            "provenance": provenance({name: run}),
        }
        for name, run in jobs.items()
    ]
    return _written(
        "sweep",
        title=names_of([sweep.folder])[0],
        notes=[],
        leaderboard=board,
        same=same,
        charts=sweep_charts({name: run.metrics for name, run in jobs.items()}),
        jobs=shown,
    )


def names_of(folders: Sequence[Path]) -> list[str]:
    """Short names that tell folders apart."""
    whole = [folder.resolve() for folder in folders]
    for length in (1, 2):
        names = [_shortened("/".join(folder.parts[-length:])) for folder in whole]
        if len({*names}) == len(names):
            return names
    return [str(folder) for folder in folders]


def _shortened(name: str) -> str:
    """The name without its middle, if it is long."""
    half = LONGEST // 2
    return name if len(name) <= LONGEST else f"{name[: half - 1]}…{name[-half:]}"


def _named_jobs(sweep: Sweep) -> dict[str, Run]:
    """The jobs by that part of their folders' names in which they differ."""
    parts = {folder: folder.split(",") for folder in sweep.runs}
    common = set.intersection(*map(set, parts.values())) if len(parts) > 1 else set()
    short = {folder: ",".join(part for part in own if part not in common) for folder, own in parts.items()}
    unique = len({*short.values()}) == len(short) and all(short.values())
    return {short[folder] if unique else folder: run for folder, run in sweep.runs.items()}


def _leaderboard(sweep: Sweep, names: Mapping[str, str]) -> tuple[Table, Table | None]:
    """The sweep's table with links to its jobs, and the columns that are the same in all of its rows."""
    rows = sweep.rows or tuple(
        {"val/loss": last(run, "val/loss"), "folder": folder} for folder, run in sweep.runs.items()
    )
    columns = [column for column in rows[0] if column not in ("folder", "failed")]
    same = [c for c in columns if len(rows) > 1 and len({row[c] for row in rows}) == 1]
    varied = [column for column in columns if column not in same]
    states = ("state",) if names else ()  # the jobs of evaluate.py are no runs
    table = Table(
        "leaderboard",
        ("job", *states, *varied),
        tuple(
            (*_job(row.get("folder", ""), sweep, names), *(number(row[column]) for column in varied))
            for row in rows
        ),
    )
    constant = tuple((column, number(rows[0][column])) for column in same if rows[0][column])
    return table, Table("the same in all jobs", ("", "value"), constant) if constant else None


def _job(folder: str, sweep: Sweep, names: Mapping[str, str]) -> tuple[str | Link, ...]:
    """A job's name, as a link if it is on the page, and the state of its run."""
    if folder not in names:
        return (folder, "not there") if names else (folder,)
    name = names[folder]
    return Link(name, f"#job-{list(names.values()).index(name) + 1}"), sweep.runs[folder].state


def _notes(named: Named, several: bool) -> list[str]:
    """What went wrong, or cannot be read."""
    notes = [
        (name, note)
        for name, run in named.items()
        for note in (f"failed: {run.error}" if run.state == "failed" else "", run.problem)
        if note
    ]
    return [f"{name}: {note}" if several else note for name, note in notes]


def _written(kind: str, **content: Any) -> str:
    return _template().render(kind=kind, version=__version__, **content)


@cache
def _template() -> Template:
    folder = Path(__file__).parent
    environment = Environment(
        loader=FileSystemLoader(folder),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template("report.html.j2")
