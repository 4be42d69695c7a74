"""What the tabs with a picture share: where it comes from, and the canvas above it."""

from typing import Any

import gradio as gr
from torch import Tensor

from diffusion_lightning.errors import UserError
from diffusion_lightning.page.board import Board
from diffusion_lightning.page.calls import check_pictures
from diffusion_lightning.page.controls import HIDDEN
from diffusion_lightning.page.painter import painter
from diffusion_lightning.page.pictures import uploaded
from diffusion_lightning.page.sessions import Session
from diffusion_lightning.page.view import message
from diffusion_lightning.sampling.model import DiffusionModel

ENDINGS = [".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"]
"""Of files that may be uploaded; what they hold is looked at all the same."""


class Painted:
    """A picture of a tab, and what is painted on it.

    Args:
        board: the controls.
        tab: its name.
        hint: what to do with the brush.
        colours: whether a colour is chosen.
    """

    def __init__(self, board: Board, tab: str, hint: str, colours: bool = False) -> None:
        self.playground, self.tab, self.hint, self.colours = board.playground, tab, hint, colours
        first = self.playground.models(self.playground.places.start)
        self.canvas = gr.Textbox(visible=False)
        with gr.Row():
            drawn = gr.Button("Take the drawn image", size="sm", min_width=120, elem_id=f"{tab}-take")
            upload = gr.UploadButton(
                "Upload an image", file_types=ENDINGS, size="sm", min_width=120, elem_id=f"{tab}-upload"
            )
        self.said = gr.HTML(elem_id=f"{tab}-said", elem_classes="said")
        self.painter = gr.HTML(painter(None, first.shape, hint, colours), elem_id=f"{tab}-painter")
        outputs = [self.painter, self.said]
        drawn.click(self._take, [board.model], outputs, **HIDDEN)
        upload.upload(self._upload, [board.model, upload], outputs, **HIDDEN)
        board.model.change(self._anew, [board.model], outputs, **HIDDEN)

    def picture(self, session: Session, model: DiffusionModel) -> Tensor | None:
        """The picture uint8 (C, H, W), if there is one of this model's shape."""
        picture = session.pictures.get(self.tab)
        return picture if picture is not None and tuple(picture.shape) == model.shape else None

    def _take(self, name: str, request: gr.Request) -> tuple[str, str]:
        def drawn(session: Session, model: DiffusionModel) -> Tensor:
            if session.drawn is None or tuple(session.drawn.shape) != model.shape:
                raise UserError("this model has drawn nothing yet: draw an image in the first tab.")
            return session.drawn

        return self._put(request, name, drawn)

    def _upload(self, name: str, file: str, request: gr.Request) -> tuple[str, str]:
        def read(session: Session, model: DiffusionModel) -> Tensor:
            check_pictures(model)
            return uploaded(file, model.shape)

        return self._put(request, name, read)

    def _anew(self, name: str, request: gr.Request) -> tuple[str, str]:
        return self._put(request, name, self.picture)

    def _put(self, request: gr.Request, name: str, found: Any) -> tuple[str, str]:
        """The painter with another picture, and what is to be said."""
        try:
            session = self.playground.sessions.of(request.session_hash)
            model = self.playground.models(name)
            picture = found(session, model)
        except Exception as error:
            return gr.skip(), message(self.playground.said(error))
        if picture is not None:
            session.pictures[self.tab] = picture
        return painter(picture, model.shape, self.hint, self.colours), ""
