"""Where a tab shows its walks: buttons, pictures, the way back, and the text that draws the same."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from typing import Any

import gradio as gr

from diffusion_lightning.page.calls import Call
from diffusion_lightning.page.controls import HIDDEN
from diffusion_lightning.page.playing import Playground
from diffusion_lightning.page.sessions import Session
from diffusion_lightning.page.view import downloads, message, walk_view
from diffusion_lightning.page.walk import side_by_side

Calls = Callable[..., Sequence[Call]]
"""(session, model, values of the inputs …) → what is drawn."""


class Stage:
    """The part of a tab that draws.

    Args:
        playground: what all tabs share.
        tab: its name, which begins the names of the page's elements.
        button: what the button says that starts a walk.
        calls: what it draws.
    """

    def __init__(self, playground: Playground, tab: str, button: str, calls: Calls) -> None:
        self.playground, self.tab, self.calls = playground, tab, calls
        with gr.Row():
            self.go = gr.Button(button, variant="primary", min_width=120, elem_id=f"{tab}-go")
            self.halt = gr.Button("Stop", min_width=80, elem_id=f"{tab}-stop")
        self.view = gr.HTML(elem_id=f"{tab}-view", elem_classes="view")
        self.back = gr.Slider(
            1, 2, 1, step=1, precision=0, label="back through the walk", elem_id=f"{tab}-back", visible=False
        )
        with gr.Accordion("Draw the same without this page", open=True, elem_classes="same"):
            self.command = gr.Code(
                language="shell", label="command", wrap_lines=True, lines=1, elem_id=f"{tab}-command"
            )
            self.python = gr.Code(
                language="python", label="Python", wrap_lines=True, lines=5, elem_id=f"{tab}-python"
            )
            self.files = gr.HTML(elem_id=f"{tab}-files")

    def connect(self, inputs: Sequence[Any], js: str | None = None) -> None:
        """Let the buttons and the slider do their work.

        Args:
            inputs: the name of the model, and what `calls` takes after the session and the model.
            js: what the browser does to the inputs before.
        """
        self.go.click(
            self._draw,
            list(inputs),
            [self.view, self.back, self.command, self.python, self.files],
            js=js,
            concurrency_limit=self.playground.walks,
            concurrency_id="walks",
            **HIDDEN,
        )
        self.halt.click(self._stop, queue=False, api_visibility="private")
        self.back.input(
            self._show,
            [self.back],
            [self.view],
            queue=False,
            **HIDDEN,
        )

    def _draw(self, request: gr.Request, name: str, *values: Any) -> Iterator[tuple[Any, ...]]:
        """Start the walks, and show each of their frames."""
        same = gr.skip()
        try:
            session = self.playground.sessions.of(request.session_hash)
            model = self.playground.models(name)
            calls = self.calls(session, model, *values)
            shown, of_model = session.begin(self.tab, calls), self.playground.models.named(name)
            with closing(shown):
                yield (
                    walk_view([], []),
                    gr.Slider(visible=False),
                    "\n".join(call.command(of_model) for call in calls),
                    "\n\n".join(call.python(of_model) for call in calls),
                    downloads(calls[0].files),
                )
                for frames in side_by_side(list(shown.walks)):
                    shown.frames.append(frames)
                    yield walk_view(calls, frames), same, same, same, same
            last = len(shown.frames)
            yield self._at(last, session), self._way_back(last), same, same, same
        except Exception as error:
            yield message(self.playground.said(error)), same, same, same, same

    def _way_back(self, frames: int) -> Any:
        return gr.Slider(maximum=max(frames, 2), value=frames, visible=frames > 1)

    def _at(self, number: int, session: Session) -> str:
        """The view of a frame of the tab's walks, from 1."""
        shown = session.shown.get(self.tab)
        if shown is None or not 1 <= number <= len(shown.frames):
            return message("nothing is drawn yet.")
        ended = number == len(shown.frames)
        return walk_view(shown.calls, shown.frames[number - 1], walking=not ended)

    def _show(self, number: int, request: gr.Request) -> str:
        return self._at(int(number), self.playground.sessions.of(request.session_hash))

    def _stop(self, request: gr.Request) -> None:
        self.playground.sessions.of(request.session_hash).stop(self.tab)
