"""The controls of a walk and of its images: field of `Settings` → component of the page."""

from typing import Any

import gradio as gr

from diffusion_lightning.page.choices import options
from diffusion_lightning.page.settings import MOST_SCALE, MOST_STEPS, Settings

Controls = dict[str, Any]
"""Field of `Settings` → component."""

HIDDEN: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
"""How the page's own events run: without Gradio's progress, and not as part of an API."""


def walk_controls(name: str, start: Settings) -> Controls:
    """Sampler, grid, steps, guidance and clamp.

    Args:
        name: begins the names of the page's elements.
        start: what they are set to.
    """

    def choice(field: str, group: str) -> Any:
        value = getattr(start, field)
        return gr.Dropdown(options(group), value=value, label=field, min_width=120, elem_id=f"{name}-{field}")

    def slider(field: str, label: str, least: float, most: float, step: float) -> Any:
        return gr.Slider(
            least,
            most,
            value=getattr(start, field),
            step=step,
            precision=0 if step == 1 else None,
            label=label,
            min_width=120,
            elem_id=f"{name}-{field}",
        )

    controls: dict[str, Any] = {}
    with gr.Row():
        controls["sampler"] = choice("sampler", "sampler")
        controls["grid"] = choice("grid", "sampler/grid")
    controls["steps"] = slider("steps", "steps", 1, MOST_STEPS, 1)
    controls["scale"] = slider("scale", "w (0: no class, 1: the class, above 1: guided)", 0, MOST_SCALE, 0.1)
    with gr.Accordion("When to guide, contrast, clamp", open=False, elem_id=f"{name}-more"):
        with gr.Row():
            controls["low"] = slider("low", "guide from t", 0, 1, 0.05)
            controls["high"] = slider("high", "to t", 0, 1, 0.05)
        with gr.Row():
            controls["rescale"] = slider("rescale", "rescale φ", 0, 1, 0.05)
            controls["clamp"] = choice("clamp", "clamp")
    return controls


def image_controls(start: Settings, most: int) -> Controls:
    """Labels, number of images, up to the most that a walk may have, and seed."""
    controls: dict[str, Any] = {}
    with gr.Row():
        controls["labels"] = gr.Textbox(
            start.labels, label="labels", placeholder="all", min_width=120, elem_id="labels"
        )
        controls["seed"] = gr.Number(start.seed, label="seed", precision=0, min_width=120, elem_id="seed")
    controls["num_images"] = gr.Slider(
        1, most, start.num_images, step=1, precision=0, label="images", elem_id="images"
    )
    return controls
