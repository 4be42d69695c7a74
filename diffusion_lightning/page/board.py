"""The controls beside the tabs: the model, its images and their walk."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import gradio as gr

from diffusion_lightning.errors import UserError
from diffusion_lightning.page.calls import most_samples
from diffusion_lightning.page.choices import recommended
from diffusion_lightning.page.controls import HIDDEN, Controls, image_controls, walk_controls
from diffusion_lightning.page.playing import Playground
from diffusion_lightning.page.settings import MOST_IMAGES, Settings
from diffusion_lightning.page.view import message
from diffusion_lightning.samples import is_image
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
    most = most_samples(model)
    start = Settings(scale=model.guidance.scale, num_images=_usual(most))
    name = gr.Dropdown(
        places.models(),
        value=places.start,
        label="model: zoo:…, hf:owner/name, or a run",
        allow_custom_value=True,
        elem_id="model",
    )
    about = gr.HTML(described(model), elem_id="about")
    controls = image_controls(start, most) | walk_controls("a", start)
    board = Board(playground, name, controls)
    name.change(_about(playground), [name], [about], **HIDDEN)
    adapt(board, controls)

    def of_images(name: str) -> Any:
        most = most_samples(playground.models(name))
        return gr.Slider(maximum=most, value=_usual(most))

    name.change(_kept(of_images), [name], [controls["num_images"]], **HIDDEN)
    return board


def _usual(most: int) -> int:
    """How many samples are drawn at first: one image, or enough points to see where they are."""
    return 1 if most == MOST_IMAGES else 1000


def adapt(board: Board, controls: Controls) -> None:
    """Let the controls of a walk follow the model and the sampler that somebody chooses.

    The scale becomes that of the model's training; grid and steps become those of the sampler's YAML file.
    """

    def of_model(name: str) -> Any:
        guidance = board.playground.models(name).guidance
        return gr.Slider(value=guidance.scale, interactive=0 < guidance.p_uncond < 1)

    def of_sampler(name: str, sampler: str) -> tuple[str, int]:
        return recommended(sampler, board.playground.models(name))

    if "scale" in controls:
        board.model.change(_kept(of_model), [board.model], [controls["scale"]], **HIDDEN)
    chosen = [board.model, controls["sampler"]]
    controls["sampler"].input(_kept(of_sampler), chosen, [controls["grid"], controls["steps"]], **HIDDEN)


def _kept(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, or else what the page has: drawing will tell what was wrong."""

    @functools.wraps(function)
    def kept(*values: Any) -> Any:
        try:
            return function(*values)
        except UserError:
            return gr.skip()

    return kept


def _about(playground: Playground) -> Callable[[str], str]:
    def about(name: str) -> str:
        """What the page says of a model, or of why there is none of this name."""
        try:
            return described(playground.models(name))
        except Exception as error:
            return message(playground.said(error))

    return about


def described(model: DiffusionModel) -> str:
    """HTML about a model: its images, classes and network."""
    names = ", ".join(model.class_names or map(str, range(model.num_classes)))
    if is_image(model.shape):
        channels, height, width = model.shape
        kind = {"images": f"{width}×{height}, {'grey' if channels == 1 else 'colour'}"}
    else:
        kind = {"points": f"{model.shape[0]} coordinates"}
    parts = {
        **kind,
        "classes": names or "none",
        "network": f"{sum(p.numel() for p in model.denoiser.parameters()):,} parameters",
        "schedule": type(model.denoiser.schedule).__name__,
        "predicts": type(model.denoiser.parameterization).__name__,
    }
    return f'<p class="about">{"; ".join(f"{k}: {escape(v)}" for k, v in parts.items())}</p>'
