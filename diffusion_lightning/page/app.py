"""The page as a whole, and the server that shows it."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import gradio as gr

from diffusion_lightning.errors import UserError
from diffusion_lightning.page import board
from diffusion_lightning.page.playing import Playground
from diffusion_lightning.page.tabs import compare, draw, fill, follow, interpolate, start_from

TABS = {
    "Draw": draw,
    "Compare": compare,
    "Interpolate": interpolate,
    "Fill a hole": fill,
    "Start from a drawing": start_from,
    "Follow a run": follow,
}
"""Title → the module that lays the tab out."""

HERE = Path(__file__).parent

MOST_UPLOADED = "20mb"

WAITING = 20
"""Walks that may wait for their turn."""


def page_of(playground: Playground) -> gr.Blocks:
    """The page."""
    with gr.Blocks(title="diffusion-lightning", analytics_enabled=False, delete_cache=(600, 3600)) as blocks:
        gr.Markdown("# From noise to images")
        with gr.Row():
            with gr.Column(scale=2, min_width=300, elem_id="controls"):
                controls = board.lay_out(playground)
            with gr.Column(scale=5, min_width=300), gr.Tabs():
                for title, tab in TABS.items():
                    with gr.Tab(title):
                        tab.lay_out(controls)

        def leave(request: gr.Request) -> None:
            playground.sessions.end(request.session_hash)

        blocks.unload(leave)
    return blocks.queue(max_size=WAITING)


@contextmanager
def served(playground: Playground, port: int | None, share: bool) -> Iterator[str]:
    """The page on the loopback, while the context lasts: its address, that of Gradio's servers if shared.

    Raises:
        UserError: if the port is taken.
    """
    logging.getLogger("httpx").setLevel(logging.WARNING)  # Gradio asks itself whether it is there
    blocks = page_of(playground)
    fonts: dict[str, Any] = {"font": ["system-ui", "sans-serif"], "font_mono": ["ui-monospace", "monospace"]}
    try:
        _, local, public = blocks.launch(
            server_name="127.0.0.1",
            server_port=port,
            share=share,
            prevent_thread_lock=True,
            quiet=True,
            show_error=False,
            ssr_mode=False,
            footer_links=[],
            max_file_size=MOST_UPLOADED,
            theme=gr.themes.Base(**fonts),
            css=(HERE / "page.css").read_text(encoding="utf-8"),
            head=f"<script>{(HERE / 'painter.js').read_text(encoding='utf-8')}</script>",
        )
    except OSError as error:
        raise UserError(f"port={port} cannot be opened ({error}); choose another, or leave it out.") from None
    try:
        yield public or local
    finally:
        blocks.close(verbose=False)
