"""The figures of a run: those that training measured, and those of its evaluations beside their floors."""

import math
from dataclasses import dataclass
from pathlib import Path

from diffusion_lightning.evaluation.reading import cell, doubts, set_titles
from diffusion_lightning.hashing import file_sha256
from diffusion_lightning.runs.chart import short
from diffusion_lightning.runs.evaluations import Evaluation, evaluations_in
from diffusion_lightning.runs.pictures import Embedded, embedded
from diffusion_lightning.runs.run import Run
from diffusion_lightning.runs.tables import Named, Table, said, text

FIGURES = {
    "val/loss": "validation loss",
    "train/loss": "training loss",
    "fid": "FID to the training images",
    "fid_floor": "FID of the test images, the floor",
    "kid": "KID to the training images",
    "samples/drift": "distance of the samples' colours from the data's",
}
"""Metrics in the table of figures, and what each is called; all are better if less."""


@dataclass(frozen=True)
class EvaluationPart:
    """An evaluation on the page: its figures beside their floors, what is doubtful, and its grid."""

    table: Table
    doubts: tuple[str, ...]
    facts: Table
    picture: Embedded | None


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
    """The cells of a metric; a floor, which stays the same, has the first alone."""
    curve = run.metrics.curve(name)
    if not curve.values:
        return "", "", ""
    last = short(curve.values[-1])
    if len({*curve.values}) == 1 < len(curve.values):
        return last, "", ""
    points = zip(curve.values, curve.images, strict=True)
    least, images = min((p for p in points if math.isfinite(p[0])), default=(math.nan, math.nan))
    return last, short(least), f"{images:,.0f} images"


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
        **{key: said(asked.get(key)) for key in ("sampler", "guidance", "clamp", "weights", "seed")},
        "data": text(source.get("data", "")),
        "features (SHA-256)": text(source.get("extractor_sha256", "")),
        "versions": ", ".join(f"{name} {number}" for name, number in source.get("versions", {}).items()),
    }
    return [(name, value) for name, value in facts.items() if value]
