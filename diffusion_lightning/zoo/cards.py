"""The cards of the zoo's models: what they learned and how, what they reach, and where they fail."""

import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from diffusion_lightning.errors import UserError
from diffusion_lightning.files import read_json

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Card:
    """What is known of a model.

    Args:
        name: behind `zoo:`.
        shows: what it draws.
        data: the data set that it learned, and which copy of it.
        licence: of the data.
        recipe: the command that trained it.
        images_seen: training images, each as often as it was seen.
        core_hours: hours of training times CPU cores.
        parameters: numbers in the network.
        sampler: of the figures, and that suits it.
        options: of `sample.py` that are not its defaults.
        guidance: of the figures, such as `w = 5 for t in [0, 0.7]` or `unconditional`.
        num_images: images that were measured.
        figures: name → of the images, and its floor: of as many test images.
        features: the extractor that the figures were measured with.
        limits: what it cannot do.
        sha256: of the file of weights.
    """

    name: str
    shows: str
    data: str
    licence: str
    recipe: str
    images_seen: int
    core_hours: float
    parameters: int
    sampler: str
    options: list[str]
    guidance: str
    num_images: int
    figures: dict[str, list[float | None]]
    features: str
    limits: str
    sha256: str

    @property
    def command(self) -> str:
        """What draws the grid."""
        return shlex.join(["python", "sample.py", f"checkpoint=zoo:{self.name}", *self.options])

    @property
    def setting(self) -> str:
        """Sampler and guidance."""
        return f"{self.sampler}, {self.guidance}"

    def measured(self) -> Iterator[str]:
        """Each figure beside its floor: `fid 3.1 (2.9)`."""
        for name, (value, floor) in self.figures.items():
            yield f"{name} {_short(value)} ({_short(floor)})"


def _short(value: float | None) -> str:
    return "none" if value is None else f"{value:.3g}"


def names() -> list[str]:
    """The names of all models."""
    return sorted(file.stem for file in FOLDER.glob("*.json"))


def read_card(name: str) -> Card:
    """The card of a model.

    Raises:
        UserError: if it is missing or damaged.
    """
    file = FOLDER / f"{name}.json"
    try:
        return Card(name=name, **read_json(file))
    except (OSError, ValueError, TypeError) as error:
        raise UserError(f"{file} is damaged ({error}); install diffusion-lightning again.") from None


def cards() -> list[Card]:
    """All cards."""
    return [read_card(name) for name in names()]
