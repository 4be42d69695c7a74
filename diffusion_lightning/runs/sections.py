"""The tables of a report: a run at a glance, its figures, its config, where it comes from."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from diffusion_lightning.captions import data_title
from diffusion_lightning.config.options import decisive, flat
from diffusion_lightning.evaluation.reading import cell, doubts, set_titles
from diffusion_lightning.hashing import file_sha256
from diffusion_lightning.runs.chart import short
from diffusion_lightning.runs.embedded import Embedded, embedded
from diffusion_lightning.runs.evaluations import Evaluation, evaluations_in
from diffusion_lightning.runs.run import Picture, Run

PARTS = "network", "schedule", "parameterization", "objective", "times", "guidance", "optimizer"
"""The parts of a config that a run is told by at a glance."""

FIGURES = {
    "val/loss": "validation loss",
    "train/loss": "training loss",
    "fid": "FID to the training images",
    "fid_floor": "FID of the test images, the floor",
    "kid": "KID to the training images",
    "samples/drift": "distance of the samples' colours from the data's",
}
"""Metrics in the table of figures, and what each is called; all are better if less."""

IMAGES = "images_sha256"


@dataclass(frozen=True)
class Link:
    """A cell that leads to another place of the page."""

    text: str
    href: str


@dataclass(frozen=True)
class Table:
    """A table; the first cell of a row is its name.

    Args:
        caption: what it shows.
        header: the names of the columns.
        rows: as many cells each.
    """

    caption: str
    header: tuple[str, ...]
    rows: tuple[tuple[str | Link, ...], ...]


@dataclass(frozen=True)
class EvaluationPart:
    """An evaluation on the page: its figures beside their floors, what is doubtful, and its grid."""

    table: Table
    doubts: tuple[str, ...]
    facts: Table
    picture: Embedded | None


Named = Mapping[str, Run]
"""What a run is called → the run."""


def at_a_glance(runs: Named) -> Table:
    """State, length, data and parts of runs, side by side."""
    rows = {
        "state": [run.state for run in runs.values()],
        "data": [data_title(run.config) if run.config.get("dataset") else "" for run in runs.values()],
        "images seen": [_images(run) for run in runs.values()],
        "epochs": [_epochs(run) for run in runs.values()],
        **{part: [_said(run.config.get(part)) for run in runs.values()] for part in PARTS},
        "command line": [" ".join(run.overrides) for run in runs.values()],
    }
    return _side_by_side("at a glance", runs, rows)


def provenance(runs: Named) -> Table:
    """Versions, seed, hashes and files of runs, side by side."""
    rows: dict[str, list[str]] = {
        "folder": [str(run.folder) for run in runs.values()],
        "seed": [text(run.config.get("seed")) for run in runs.values()],
        "versions": [_versions(run) for run in runs.values()],
        "images that were learned (SHA-256)": [run.config.get(IMAGES) or "" for run in runs.values()],
        "started from": [run.config.get("init") or "" for run in runs.values()],
        "last checkpoint": [_last_checkpoint(run) for run in runs.values()],
        "its SHA-256": [_hash(run) for run in runs.values()],
    }
    return _side_by_side("where it comes from", runs, rows)


def _side_by_side(caption: str, runs: Named, rows: Mapping[str, Sequence[str]]) -> Table:
    """A column for each run; rows that say nothing of any are left out."""
    return Table(caption, ("", *runs), tuple((name, *cells) for name, cells in rows.items() if any(cells)))


def _images(run: Run) -> str:
    seen = run.metrics.last().get("images_seen")
    return "" if seen is None else f"{seen:,.0f}"


def _epochs(run: Run) -> str:
    done = run.saved.epoch if run.saved else run.metrics.last().get("epoch")
    limit = (run.config.get("trainer") or {}).get("max_epochs")
    of = f" of {limit}" if isinstance(limit, int) and limit > 0 else ""
    return "" if done is None else f"{done:g}{of}"


def _said(node: Any) -> str:
    """An object of a config as Python writes it: `Linear(T=1000)`."""
    if not isinstance(node, dict):
        return "" if node is None else text(node)
    name = str(node.get("_target_", "")).rpartition(".")[2]
    options = (f"{key}={_said(value)}" for key, value in node.items() if key[:1] != "_" and value is not None)
    return f"{name}({', '.join(options)})"


def text(value: Any) -> str:
    """A value of a config as YAML writes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _versions(run: Run) -> str:
    versions = run.saved.versions if run.saved else {}
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _last_checkpoint(run: Run) -> str:
    if not run.checkpoint.is_file():
        return ""
    written = datetime.fromtimestamp(run.checkpoint.stat().st_mtime)
    step = f", after {run.saved.step:,} steps" if run.saved else ""
    return f"checkpoints/{run.checkpoint.name}{step}, written {written:%Y-%m-%d %H:%M}"


def _hash(run: Run) -> str:
    return file_sha256(run.checkpoint) if run.checkpoint.is_file() else ""


def logged_figures(runs: Named) -> Table:
    """The last and the least value of what training measured, and after how many images it was least."""
    columns = [
        f"{name}, {run}" if len(runs) > 1 else name for run in runs for name in ("last", "least", "after")
    ]
    rows = []
    for name, title in FIGURES.items():
        cells = [part for run in runs.values() for part in _last_and_least(run, name)]
        rows += [(title, *cells)] if any(cells) else []
    return Table("measured during training", ("", *columns), tuple(rows))


def _last_and_least(run: Run, name: str) -> tuple[str, str, str]:
    curve = run.metrics.curve(name)
    if not curve.values:
        return "", "", ""
    finite = [
        (value, images) for value, images in zip(curve.values, curve.images, strict=True) if value == value
    ]
    least, images = min(finite, default=(float("nan"), 0.0))
    return short(curve.values[-1]), short(least), f"{images:,.0f} images"


def evaluations_of(run: Run, elsewhere: Path | None) -> list[Evaluation]:
    """Those within the run's folder, and those elsewhere of one of its checkpoints."""
    others = evaluations_in(elsewhere) if elsewhere and elsewhere.is_dir() else []
    if not others:
        return list(run.evaluations)
    ours = {file_sha256(file) for file in run.folder.glob("checkpoints/*.ckpt")}
    within = {evaluation.folder.resolve() for evaluation in run.evaluations}
    others = [other for other in others if other.checkpoint in ours and other.folder.resolve() not in within]
    return [*run.evaluations, *others]


def evaluation_part(evaluation: Evaluation, of: str) -> EvaluationPart:
    """An evaluation's figures beside those of test images, which are their floor."""
    record, titles = evaluation.record, set_titles(evaluation.record)
    rows = tuple((name, *(cell(record[key], name) for key in titles)) for name in record["samples"])
    caption = f"{evaluation.folder.name}, of {of}" if of else evaluation.folder.name
    picture = evaluation.picture
    grid = embedded(picture, f"Samples of the evaluation {caption}", "its samples")
    return EvaluationPart(
        Table(caption, ("", *titles.values()), rows),
        tuple(doubts(record)),
        Table("how it was measured", ("", "value"), tuple(_measured(evaluation))),
        grid if picture.is_file() else None,
    )


def _measured(evaluation: Evaluation) -> list[tuple[str, str]]:
    record, asked = evaluation.record, evaluation.record["asked"]
    source = record["provenance"]
    facts = {
        "checkpoint (SHA-256)": evaluation.checkpoint,
        "evaluations of the network per walk": text(record.get("nfe")),
        **{key: _said(asked.get(key)) for key in ("sampler", "guidance", "clamp", "weights", "seed")},
        "data": text(source.get("data", "")),
        "features (SHA-256)": text(source.get("extractor_sha256", "")),
        "versions": ", ".join(f"{name} {number}" for name, number in source.get("versions", {}).items()),
    }
    return [(name, value) for name, value in facts.items() if value]


def grids(run: Run, most: int) -> list[Embedded]:
    """At most so many of a run's grids, spread evenly from the first to the last."""
    shown = spread(run.pictures, most)
    return [embedded(picture.path, f"Samples {_when(picture)}", _when(picture)) for picture in shown]


def spread(pictures: Sequence[Picture], most: int) -> list[Picture]:
    """At most so many of these, evenly from the first to the last; of one alone the last."""
    if len(pictures) <= most:
        return list(pictures)
    places = [i * (len(pictures) - 1) / (most - 1) for i in range(most)] if most > 1 else [len(pictures) - 1]
    return [pictures[round(place)] for place in places[:most]]


def _when(picture: Picture) -> str:
    after = f"{picture.step:,} steps"
    return after if picture.images_seen is None else f"after {picture.images_seen:,.0f} images, {after}"


def config_table(name: str, run: Run) -> Table:
    """Every option of a run."""
    rows = tuple((key, text(value)) for key, value in flat(run.config))
    return Table(f"config of {name}", ("option", "value"), rows)


def difference(runs: Named) -> Table:
    """The options in which two runs differ; first those that decide the weights."""
    one, other = (_placed(run) for run in runs.values())
    deciding = {key for run in runs.values() for key, _ in flat(decisive("train", run.config))}
    keys = [key for key in dict.fromkeys([*one, *other]) if one.get(key) != other.get(key)]
    rows = tuple(
        (key, one.get(key, "not set"), other.get(key, "not set"), "yes" if key in deciding else "no")
        for key in sorted(keys, key=lambda key: key not in deciding)
    )
    return Table("config: what differs", ("option", *runs, "decides the weights"), rows)


def _placed(run: Run) -> dict[str, str]:
    """The full key and the text of every option; the run's own folder is `.`."""
    here = str((run.config.get("paths") or {}).get("run_dir") or "")
    values = {key: text(value) for key, value in flat(run.config)}
    return {key: value.replace(here, ".") if here else value for key, value in values.items()}


def last(run: Run, name: str) -> str:
    """The last value of a metric; empty if there is none."""
    value = run.metrics.last().get(name)
    return "" if value is None else short(value)


def number(cell: str) -> str:
    """A cell of a CSV file, a number in four digits."""
    try:
        value = float(cell)
    except ValueError:
        return cell
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e9 else short(value)
