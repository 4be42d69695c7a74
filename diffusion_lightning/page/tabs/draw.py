"""Draw images, and watch them come out of the noise."""

from typing import Any

from diffusion_lightning.page.board import Board
from diffusion_lightning.page.calls import Call, draw
from diffusion_lightning.page.sessions import Session
from diffusion_lightning.page.stage import Stage
from diffusion_lightning.sampling.model import DiffusionModel


def lay_out(board: Board) -> None:
    """The tab's components."""

    def calls(session: Session, model: DiffusionModel, *values: Any) -> list[Call]:
        return [draw(board.settings(values), model)]

    Stage(board.playground, "draw", "Draw", calls).connect(board.inputs)
