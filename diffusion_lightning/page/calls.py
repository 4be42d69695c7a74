"""What a tab draws: one method of the model with its arguments, as Python and as a command.

The page calls the very method that its text shows, so that both draw the same image.
"""

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from torch import Tensor

from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.samplers.base import WalkCallback
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.errors import UserError
from diffusion_lightning.page.choices import sampling_of
from diffusion_lightning.page.pasted import modules_of, pasted
from diffusion_lightning.page.pictures import png
from diffusion_lightning.page.settings import (
    MOST_IMAGES,
    MOST_POINTS,
    MOST_SEED,
    Settings,
    bounded,
    plain,
    within,
)
from diffusion_lightning.samples import is_image
from diffusion_lightning.sampling.labels import check_labels, label_names
from diffusion_lightning.sampling.model import DiffusionModel

PICTURE, HOLE = "picture.png", "hole.png"
"""The files that a command reads, as the page names them."""


@dataclass(frozen=True, eq=False)
class Call:
    """A method of a model with its arguments.

    Args:
        model: the model.
        method: the name of the method.
        arguments: of the method.
        options: of `sample.py`, which make it do the same.
        steps: times of the walk.
        names: of the images, or what the colours of the points say.
        pictures: name of a file → 8-bit pixels (C, H, W): what the command and the Python text read.
        texts: argument → the Python text that stands for it.
    """

    model: DiffusionModel
    method: str
    arguments: Mapping[str, Any]
    options: list[str]
    steps: int
    names: list[str]
    pictures: Mapping[str, Tensor] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    def __call__(self, callback: WalkCallback) -> Tensor:
        """The images, whose walk the callback sees."""
        return getattr(self.model, self.method)(**self.arguments, progress=False, callback=callback)

    @property
    def captions(self) -> list[str]:
        """The captions of the pictures: one name per image, and none for a scatter plot of points."""
        return self.names if is_image(self.model.shape) else [""]

    @property
    def files(self) -> dict[str, bytes]:
        """Name → content of the PNGs that the command and the Python text read."""
        return {name: png(pixels) for name, pixels in self.pictures.items()}

    def command(self, of_model: Mapping[str, Any]) -> str:
        """The command line that draws the same images.

        Args:
            of_model: the options of `sample.py` that name the model.
        """
        named = [f"{key}={_typed(value)}" for key, value in of_model.items()]
        return shlex.join(["python", "sample.py", *named, *self.options])

    def python(self, of_model: Mapping[str, Any]) -> str:
        """The lines of Python that draw the same images.

        Args:
            of_model: the arguments of `load`, of which `checkpoint` is the first.
        """
        own = sorted({name for value in self.arguments.values() for name in modules_of(value)})
        imports = [f"import {name}" for name in ["diffusion_lightning as dl", *own]]
        if self.pictures:
            imports.append("from torchvision.io import read_image")
        name, *loading = (pasted(v) if k == "checkpoint" else f"{k}={pasted(v)}" for k, v in of_model.items())
        given = [f"{k}={self.texts.get(k) or pasted(v)}" for k, v in self.arguments.items()]
        body = [
            f"model = dl.load({', '.join([name, *loading])})",
            f"images = model.{self.method}({', '.join(given)})",
            'dl.save_grid(images, "grid.png")',
        ]
        return "\n".join([*imports, "", *body])


def draw(settings: Settings, model: DiffusionModel) -> Call:
    """Images of a seed, as `task=generate` draws them."""
    sampling, labels = _asked(settings, model)
    n = settings.num_images
    # Whose walk is watched as a whole
    together = {} if is_image(model.shape) else {"batch_size": n}
    arguments = {"labels": labels, "num_images": n, **together}
    options = [*_labels(labels), f"num_images={n}", *(f"{k}={v}" for k, v in together.items())]
    cycle = labels or model.all_classes(sampling.guidance)
    return Call(
        model,
        "sample",
        _given(arguments) | _options(sampling, model) | {"seed": settings.seed},
        [*settings.options, *options, f"seed={settings.seed}"],
        _steps(sampling, model),
        _names(cycle, n, model),
    )


def interpolate(settings: Settings, model: DiffusionModel, to_seed: int, points: int) -> Call:
    """A strip from image 0 of the seed to image 0 of another, as `task=interpolate` draws it."""
    bounded("the other seed", to_seed, 0, MOST_SEED)
    bounded("images", points, 2, MOST_IMAGES)
    sampling, labels = _asked(settings, model)
    arguments = {"pairs": 1, "points": points, "labels": labels}
    task = ["task=interpolate", "task.pairs=1", f"task.points={points}", f"task.to_seed={to_seed}"]
    return Call(
        model,
        "interpolate",
        _given(arguments) | _options(sampling, model) | {"seed": settings.seed, "to_seed": to_seed},
        [*task, *settings.options, *_labels(labels), f"seed={settings.seed}"],
        _steps(sampling, model),
        ["A", *(f"u = {i / (points - 1):.3g}" for i in range(1, points - 1)), "B"],
    )


def fill(settings: Settings, model: DiffusionModel, picture: Tensor, hole: Tensor) -> Call:
    """Fillings of the hole (1, H, W) of a picture (C, H, W), as `task=inpaint` draws them."""
    sampling, labels = _asked(settings, model)
    if not hole.any():
        raise UserError("there is no hole yet: paint over what shall be drawn anew.")
    arguments = {
        "images": picture[None],
        "hole": hole[None],
        "labels": labels,
        "samples": settings.num_images,
    }
    task = ["task=inpaint", f"task.images=[{PICTURE}]", f"task.mask={HOLE}"]
    return Call(
        model,
        "inpaint",
        _given(arguments) | _options(sampling, model) | {"seed": settings.seed},
        [
            *task,
            f"task.samples={settings.num_images}",
            *settings.options,
            *_labels(labels),
            f"seed={settings.seed}",
        ],
        _steps(sampling, model),
        _names(labels and labels[:1], settings.num_images, model),
        {PICTURE: picture, HOLE: hole.to(picture.dtype) * 255},
        {"images": f'read_image("{PICTURE}")[None]', "hole": f'read_image("{HOLE}")[None] > 127'},
    )


def start_from(settings: Settings, model: DiffusionModel, picture: Tensor, t_start: float) -> Call:
    """What becomes of a picture (C, H, W) with the noise of a time, as `task=image_to_image` draws it."""
    within("t", t_start, 0, 1)
    sampling, labels = _asked(settings, model)
    arguments = {"images": picture[None], "t_start": t_start, "labels": labels}
    task = ["task=image_to_image", f"task.images=[{PICTURE}]", f"task.t_starts=[{plain(t_start)}]"]
    return Call(
        model,
        "image_to_image",
        _given(arguments) | _options(sampling, model) | {"seed": settings.seed},
        [*task, *settings.options, *_labels(labels), f"seed={settings.seed}"],
        len(sampling.sampler.times(model.denoiser.schedule, t_start)),
        _names(labels, 1, model),
        {PICTURE: picture},
        {"images": f'read_image("{PICTURE}")[None]'},
    )


def most_samples(model: DiffusionModel) -> int:
    """How many samples one walk may have."""
    return MOST_IMAGES if is_image(model.shape) else MOST_POINTS


def check_pictures(model: DiffusionModel) -> None:
    """Refuse a model that draws points where a picture is needed.

    Raises:
        UserError: unless it draws images.
    """
    if not is_image(model.shape):
        raise UserError("this model draws points; choose one that draws images.")


def _asked(settings: Settings, model: DiffusionModel) -> tuple[Sampling, list[int] | None]:
    """The sampling and the numbers of the classes."""
    bounded("images", settings.num_images, 1, most_samples(model))
    sampling = sampling_of(settings, model)
    labels = check_labels(settings.classes, model.num_classes, sampling.guidance, model.class_names)
    return sampling, labels


def _options(sampling: Sampling, model: DiffusionModel) -> dict[str, Any]:
    """The arguments that every method takes, without those that are its defaults."""
    default = model.sampling()
    given = {"sampler": sampling.sampler, "guidance": _guidance(sampling.guidance, model)}
    return given | ({} if sampling.clamp == default.clamp else {"clamp": sampling.clamp})


def _guidance(guidance: Guidance, model: DiffusionModel) -> float | Guidance:
    """The scale, if nothing else differs from how the model was trained."""
    alike = guidance == replace(model.guidance, scale=guidance.scale)
    return guidance.scale if alike else guidance


def _steps(sampling: Sampling, model: DiffusionModel) -> int:
    return len(sampling.sampler.times(model.denoiser.schedule))


def _labels(labels: list[int] | None) -> list[str]:
    return [] if labels is None else [f"labels=[{','.join(map(str, labels))}]"]


def _names(labels: list[int] | None, n: int, model: DiffusionModel) -> list[str]:
    """The classes of n images; empty texts without labels."""
    cycle = labels or [model.num_classes]
    return label_names([cycle[i % len(cycle)] for i in range(n)], model.num_classes, model.class_names)


def _given(arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arguments.items() if value is not None}


def _typed(value: Any) -> str:
    """The value as a command line has it."""
    return f"[{','.join(map(str, value))}]" if isinstance(value, list | tuple) else str(value)
