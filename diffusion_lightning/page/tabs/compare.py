"""Two settings side by side, from the same noise."""

from typing import Any

import gradio as gr

from diffusion_lightning.page.board import Board, adapt
from diffusion_lightning.page.calls import Call, draw
from diffusion_lightning.page.controls import walk_controls
from diffusion_lightning.page.sessions import Session
from diffusion_lightning.page.settings import Settings
from diffusion_lightning.page.stage import Stage
from diffusion_lightning.sampling.model import DiffusionModel


def lay_out(board: Board) -> None:
    """The tab's components."""
    gr.Markdown("A walks as the controls of the page say, B from the same noise as follows.")
    start = Settings(sampler="heun", grid="karras", steps=18, scale=board.controls["scale"].value)
    other = walk_controls("b", start)
    adapt(board, other)

    def calls(session: Session, model: DiffusionModel, *values: Any) -> list[Call]:
        first = board.settings(values[: len(board.controls)])
        changes = dict(zip(other, values[len(board.controls) :], strict=True))
        return [draw(first, model), draw(board.settings(values[: len(board.controls)], **changes), model)]

    stage = Stage(board.playground, "compare", "Draw both", calls)
    stage.connect([*board.inputs, *other.values()])
