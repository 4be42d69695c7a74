"""Which metrics of a run or a sweep are drawn together."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from diffusion_lightning.runs.chart import Chart, Line, draw
from diffusion_lightning.runs.metrics import Metrics

PANELS: dict[str, tuple[str, ...]] = {
    "Loss": ("train/loss", "val/loss"),
    "Validation loss by quarter of t": ("val/loss_t*",),
    "FID": ("fid", "fid_floor"),
    "KID": ("kid",),
    "Learning rate": ("lr-*",),
    "Images per second": ("train/images_per_second",),
    "Norm of the gradient": ("train/grad_norm",),
    "Training loss by quarter of t": ("train/loss_t*",),
    "Distance of the samples' colours from the data's": ("samples/drift", "samples/saturated"),
}
"""Title of a chart → the metrics in it. What else was logged has charts of its own."""

NOT_DRAWN = {"step", "epoch", "images_seen", "sample/images", "sample/seconds"}
"""Columns that say when something was logged, or how it was measured."""

OF_SWEEPS = {
    "Validation loss": "val/loss",
    "FID": "fid",
    "KID": "kid",
    "Training loss": "train/loss",
    "Learning rate": "lr-*",
    "Images per second": "train/images_per_second",
}
"""Title of a chart of a sweep → the metric, of which there is a line for each job."""


def charts_of(runs: Mapping[str, Metrics]) -> list[Chart]:
    """The charts of one run, or of two: the lines of the second are dashed.

    Args:
        runs: what a run is called → its metrics.
    """
    names = list(dict.fromkeys(name for metrics in runs.values() for name in metrics.names()))
    charts = [draw(title, _lines(runs, found)) for title, found in _panels(names).items()]
    return [chart for chart in charts if chart]


def _panels(names: Sequence[str]) -> dict[str, list[str]]:
    panels = {
        title: [name for pattern in patterns for name in names if fnmatchcase(name, pattern)]
        for title, patterns in PANELS.items()
    }
    drawn = {*NOT_DRAWN, *(name for found in panels.values() for name in found)}
    return panels | {name: [name] for name in names if name not in drawn}


def _lines(runs: Mapping[str, Metrics], names: Sequence[str]) -> list[Line]:
    return [
        Line(name if len(runs) == 1 else f"{name}, {run}", metrics.curve(name), colour, dashed=number > 0)
        for colour, name in enumerate(names)
        for number, (run, metrics) in enumerate(runs.items())
    ]


def sweep_charts(jobs: Mapping[str, Metrics]) -> list[Chart]:
    """The charts of a sweep, a line for each job."""
    charts = [draw(title, _of_jobs(jobs, pattern)) for title, pattern in OF_SWEEPS.items()]
    return [chart for chart in charts if chart]


def _of_jobs(jobs: Mapping[str, Metrics], pattern: str) -> list[Line]:
    return [
        Line(job, metrics.curve(name), colour)
        for colour, (job, metrics) in enumerate(jobs.items())
        for name in metrics.names()
        if fnmatchcase(name, pattern)
    ]
