"""What is seen of a walk: how far it is, x_t and x0, as HTML."""

from collections.abc import Sequence
from html import escape

from diffusion_lightning.images import data_uri
from diffusion_lightning.page.calls import Call
from diffusion_lightning.page.pictures import shown
from diffusion_lightning.page.walk import Frame


def walk_view(calls: Sequence[Call], frames: Sequence[Frame], walking: bool = True) -> str:
    """The frames of walks that go on together, one below the other.

    Args:
        calls: what is drawn.
        frames: the latest of each.
        walking: whether they go on; else those before their last step were stopped.
    """
    names = [f"{letter}: " for letter in "AB"] if len(calls) > 1 else [""]
    return "".join(
        _one(name, call, frame, walking) for name, call, frame in zip(names, calls, frames, strict=False)
    )


def _one(name: str, call: Call, frame: Frame, walking: bool) -> str:
    state = "done" if frame.step == frame.steps else "walking" if walking else "stopped"
    sampler = escape(type(call.arguments["sampler"]).__name__)
    text = f"{name}{sampler}, step {frame.step} of {frame.steps}, t = {frame.t:.3f}"
    return (
        f'<section class="walk {state}"><p><progress max="{frame.steps}" value="{frame.step}"></progress> '
        f"{text}{', stopped' if state == 'stopped' else ''}</p>"
        f'<div class="pair"><div class="x_t"><h4>x_t</h4>{shown(frame.x_t, call.captions)}</div>'
        f'<div class="x0"><h4>x0</h4>{shown(frame.x0, call.captions)}</div></div></section>'
    )


def message(text: str) -> str:
    """One line for whoever looks at the page."""
    return f'<p class="message" role="alert">{escape(text)}</p>'


def downloads(files: dict[str, bytes]) -> str:
    """Links to the files that a command reads."""
    links = [f'<a href="{data_uri(content)}" download="{name}">{name}</a>' for name, content in files.items()]
    return f"<p>Both read {' and '.join(links)}: save them where you run it.</p>" if links else ""
