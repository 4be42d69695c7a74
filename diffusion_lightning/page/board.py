"""The controls beside the tabs: the model, its images and their walk."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from diffusion_lightning.page.choices import recommended
from diffusion_lightning.page.controls import Controls, image_controls, walk_controls
from diffusion_lightning.page.playing import Playground
from diffusion_lightning.page.settings import Settings
from diffusion_lightning.page.view import message
from diffusion_lightning.sampling.model import DiffusionModel


@dataclass(frozen=True, eq=False)
class Board:
    """The components that all tabs read.

    Args:
        playground: what all tabs share.
        model: the name of the model.
        controls: of the images and their walk.
    """

    playground: Playground
    model: Any
    controls: Controls

    @property
    def inputs(self) -> list[Any]:
        """The components of the model's name and of the settings."""
        return [self.model, *self.controls.values()]

    def settings(self, values: Sequence[Any], **changes: Any) -> Settings:
        """The settings that values of the controls mean."""
        return Settings(**dict(zip(self.controls, values, strict=True)) | changes)


def lay_out(playground: Playground) -> Board:
    """The controls, set to what suits the first model."""
    places = playground.places
    model = playground.models(places.start)
    start = Settings(scale=model.guidance.scale)
    name = gr.Dropdown(
        places.models(),
        value=places.start,
        label="model (a name of the zoo or of the hub, or a run's folder)",
        allow_custom_value=True,
        elem_id="model",
    )
    about = gr.HTML(described(model), elem_id="about")
    controls = image_controls(start) | walk_controls("a", start)
    board = Board(playground, name, controls)
    name.change(
        _chosen(playground),
        [name],
        [about, controls["scale"]],
        show_progress="hidden",
        api_visibility="private",
    )
    recommend(board, controls)
    return board


def recommend(board: Board, controls: Controls) -> None:
    """Set grid and steps to what a sampler's YAML file says, when somebody chooses the sampler."""

    def chosen(name: str, sampler: str) -> tuple[Any, Any]:
        try:
            return recommended(sampler, board.playground.models(name))
        except Exception:  # which drawing will tell
            return gr.skip(), gr.skip()

    controls["sampler"].input(
        chosen,
        [board.model, controls["sampler"]],
        [controls["grid"], controls["steps"]],
        show_progress="hidden",
        api_visibility="private",
    )


def _chosen(playground: Playground) -> Any:
    def chosen(name: str) -> tuple[str, Any]:
        """What the page says of a model, and the scale that it was trained with."""
        try:
            model = playground.models(name)
        except Exception as error:
            return message(playground.said(error)), gr.skip()
        p = model.guidance.p_uncond
        return described(model), gr.Slider(value=model.guidance.scale, interactive=0 < p < 1)

    return chosen


def described(model: DiffusionModel) -> str:
    """HTML about a model: its images, classes and network."""
    channels, height, width = model.shape
    names = ", ".join(model.class_names or map(str, range(model.num_classes)))
    parts = {
        "images": f"{width}×{height}, {'grey' if channels == 1 else 'colour'}",
        "classes": names or "none",
        "network": f"{sum(p.numel() for p in model.denoiser.parameters()):,} parameters",
        "schedule": type(model.denoiser.schedule).__name__,
        "predicts": type(model.denoiser.parameterization).__name__,
    }
    return f'<p class="about">{"; ".join(f"{k}: {escape(v)}" for k, v in parts.items())}</p>'
