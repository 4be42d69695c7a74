"""From the image of one seed to that of another."""

from typing import Any

import gradio as gr

from diffusion_lightning.page.board import Board
from diffusion_lightning.page.calls import Call, interpolate
from diffusion_lightning.page.sessions import Session
from diffusion_lightning.page.settings import MOST_IMAGES
from diffusion_lightning.page.stage import Stage
from diffusion_lightning.sampling.model import DiffusionModel


def lay_out(board: Board) -> None:
    """The tab's components."""
    gr.Markdown("Image 0 of the seed (A) and of another one (B), and images on the arc between their noise.")
    with gr.Row():
        to_seed = gr.Number(1, label="other seed", precision=0, min_width=120, elem_id="to-seed")
        points = gr.Slider(2, MOST_IMAGES, 7, step=1, precision=0, label="images from A to B")

    def calls(session: Session, model: DiffusionModel, *values: Any) -> list[Call]:
        *settings, seed, images = values
        return [interpolate(board.settings(settings, num_images=1), model, seed, images)]

    Stage(board.playground, "interpolate", "Interpolate", calls).connect([*board.inputs, to_seed, points])
