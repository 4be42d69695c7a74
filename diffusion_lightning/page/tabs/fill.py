"""Paint a hole into a picture, and have it filled."""

from typing import Any

import gradio as gr

from diffusion_lightning.errors import UserError
from diffusion_lightning.page.board import Board, adapt
from diffusion_lightning.page.calls import Call, check_pictures, fill
from diffusion_lightning.page.choices import options
from diffusion_lightning.page.controls import Controls
from diffusion_lightning.page.painter import with_canvas
from diffusion_lightning.page.pictures import strokes
from diffusion_lightning.page.sessions import Session
from diffusion_lightning.page.settings import MOST_STEPS
from diffusion_lightning.page.stage import Stage
from diffusion_lightning.page.tabs.painted import Painted
from diffusion_lightning.sampling.model import DiffusionModel


def lay_out(board: Board) -> None:
    """The tab's components."""
    hint = "Paint over what shall be drawn anew: as the first of the labels, or as no class."
    walk: Controls = {}

    def calls(session: Session, model: DiffusionModel, canvas: str, *values: Any) -> list[Call]:
        check_pictures(model)
        picture = painted.picture(session, model)
        if picture is None:
            raise UserError("there is no picture yet: take the drawn image, or upload one.")
        hole = strokes(canvas, model.shape[1:])[3:] > 127
        settings = values[: len(board.controls)]
        changes = dict(zip(walk, values[len(board.controls) :], strict=True))
        return [fill(board.settings(settings, **changes), model, picture, hole)]

    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            painted = Painted(board, "fill", hint)
        with gr.Column(scale=3, min_width=300):
            with gr.Row():
                walk["sampler"] = gr.Dropdown(
                    options("sampler"), value="repaint", label="sampler", min_width=120
                )
                walk["grid"] = gr.Dropdown(
                    options("sampler/grid"), value="uniform", label="grid", min_width=120
                )
            walk["steps"] = gr.Slider(1, MOST_STEPS, 50, step=1, precision=0, label="steps")
            stage = Stage(board.playground, "fill", "Fill the hole", calls)
    adapt(board, walk)
    name, *settings = board.inputs
    stage.connect([name, painted.canvas, *settings, *walk.values()], js=with_canvas("fill"))
