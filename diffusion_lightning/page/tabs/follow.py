"""Follow a training run: its losses, FID and grids of samples over the images that it has seen."""

from collections.abc import Sequence
from html import escape
from typing import Any

import gradio as gr

from diffusion_lightning.page.board import Board
from diffusion_lightning.page.controls import HIDDEN
from diffusion_lightning.page.playing import Playground
from diffusion_lightning.page.view import message
from diffusion_lightning.runs.metrics import Metrics
from diffusion_lightning.runs.pictures import grids
from diffusion_lightning.runs.run import Run

EVERY = 5.0
"""Seconds after which a run is read again."""

LOSSES, QUALITY = ("train/loss", "val/loss"), ("fid",)
"""The metrics of the two plots."""

MOST_POINTS = 400


def lay_out(board: Board) -> None:
    """The tab's components."""
    playground = board.playground
    runs = playground.places.runs()
    with gr.Row():
        run = gr.Dropdown(
            runs,
            value=runs[0] if runs else None,
            label="run",
            allow_custom_value=True,
            elem_id="follow-run",
            scale=4,
        )
        again = gr.Button("Look for runs", size="sm", min_width=100, elem_id="follow-again")
    state = gr.HTML(elem_id="follow-state")
    with gr.Row():
        plot: dict[str, Any] = {"x": "images seen", "color": "metric", "height": 260, "min_width": 280}
        losses = gr.LinePlot(y="loss", elem_id="follow-loss", **plot)
        quality = gr.LinePlot(y="FID", elem_id="follow-quality", **plot)
    picture = gr.HTML(elem_id="follow-picture", elem_classes="samples")
    back = gr.Slider(1, 2, 1, step=1, precision=0, label="back through training", elem_id="follow-back")
    count = gr.State(0)
    timer = gr.Timer(EVERY)

    def look(folder: str | None, number: float = 0, seen: int = 0) -> tuple[Any, ...]:
        return _look(playground, folder, int(number), seen)

    def grid(folder: str | None, number: float) -> str:
        return _grid(playground, folder, int(number))

    outputs = [state, losses, quality, picture, back, count]
    run.change(look, [run], outputs, **HIDDEN)
    timer.tick(look, [run, back, count], outputs, **HIDDEN)
    back.input(grid, [run, back], [picture], **HIDDEN)
    again.click(lambda: gr.Dropdown(playground.places.runs()), None, [run], **HIDDEN)


def _look(playground: Playground, folder: str | None, number: int, seen: int) -> tuple[Any, ...]:
    """State, curves and a grid of a run: the latest, unless somebody looks at an earlier one.

    Args:
        playground: what all tabs share.
        folder: of the run.
        number: the grid that is shown, from 1.
        seen: how many there were.
    """
    if not folder:
        text = "no run yet: train one below the folders that the playground was started with."
        return message(text), *[gr.skip()] * 5
    try:
        run = Run.read(playground.places.run(folder))
        count = len(run.pictures)
        number = count if number >= seen else number
        return (
            _state(run),
            _plot(run.metrics, LOSSES, "loss"),
            _plot(run.metrics, QUALITY, "FID"),
            _shown(playground, run, number),
            gr.Slider(maximum=max(count, 2), value=max(number, 1), visible=count > 1),
            count,
        )
    except Exception as error:
        return message(playground.said(error)), *[gr.skip()] * 5


def _grid(playground: Playground, folder: str | None, number: int) -> str:
    try:
        return _shown(playground, Run.read(playground.places.run(folder or "")), number)
    except Exception as error:
        return message(playground.said(error))


def _state(run: Run) -> str:
    last = run.metrics.last()
    told = {"images_seen": "{:,.0f} images seen", "train/loss": "training loss {:.4g}", "fid": "FID {:.4g}"}
    numbers = [text.format(last[name]) for name, text in told.items() if name in last]
    return f"<p>{escape('; '.join(filter(None, [run.state, run.error, *numbers])))}</p>"


def _plot(metrics: Metrics, names: Sequence[str], value: str) -> Any:
    """Metrics over the images seen; no plot where none was logged."""
    import pandas

    rows = []
    for name in names:
        curve = metrics.curve(name)
        every = max(1, -(-len(curve.images) // MOST_POINTS))
        points = list(zip(curve.images, curve.values, strict=True))
        rows += [(images, y, name) for images, y in points[::every]]
    return gr.LinePlot(pandas.DataFrame(rows, columns=["images seen", value, "metric"]), visible=bool(rows))


def _shown(playground: Playground, run: Run, number: int) -> str:
    """The grid with a number, from 1, as HTML."""
    if not 1 <= number <= len(run.pictures):
        return "<p>no grid of samples yet.</p>"
    picture = run.pictures[number - 1]
    playground.places.inside(picture.path)
    (grid,) = grids([picture])
    image = f'<img src="{grid.uri}" alt="{escape(grid.alt)}">' if grid.uri else ""
    return f"<figure>{image}<figcaption>{escape(grid.caption)}</figcaption></figure>"
