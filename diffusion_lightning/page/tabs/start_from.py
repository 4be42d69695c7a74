"""Start a walk from a drawing, or from a picture with one on it."""

from typing import Any

import gradio as gr
import torch

from diffusion_lightning.page.board import Board
from diffusion_lightning.page.calls import Call, check_pictures, start_from
from diffusion_lightning.page.painter import with_canvas
from diffusion_lightning.page.pictures import painted_over, strokes
from diffusion_lightning.page.sessions import Session
from diffusion_lightning.page.stage import Stage
from diffusion_lightning.page.tabs.painted import Painted
from diffusion_lightning.sampling.model import DiffusionModel


def lay_out(board: Board) -> None:
    """The tab's components."""
    hint = "Draw what shall become one of the labels, or no class."
    later = "t at which the walk starts: the later, the less of the drawing remains"

    def calls(session: Session, model: DiffusionModel, canvas: str, *values: Any) -> list[Call]:
        *settings, t = values
        check_pictures(model)
        ground = painted.picture(session, model)
        ground = torch.zeros(model.shape, dtype=torch.uint8) if ground is None else ground
        picture = painted_over(ground, strokes(canvas, model.shape[1:]))
        return [start_from(board.settings(settings), model, picture, t)]

    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            painted = Painted(board, "start", hint, colours=True)
        with gr.Column(scale=3, min_width=300):
            t_start = gr.Slider(0.05, 1, 0.6, step=0.05, label=later)
            stage = Stage(board.playground, "start", "Start from it", calls)
    name, *settings = board.inputs
    stage.connect([name, painted.canvas, *settings, t_start], js=with_canvas("start"))
