"""What the controls of a walk mean: options of `sample.py`, within bounds."""

from dataclasses import dataclass

from diffusion_lightning.errors import UserError

MOST_STEPS = 1000
MOST_IMAGES = 16
MOST_POINTS = 5000
"""Of a model of points, which are all in one picture."""

MOST_SEED = 2**32 - 1
MOST_SCALE = 20.0
MOST_LABELS = 200
"""Characters of the field."""


@dataclass(frozen=True)
class Settings:
    """The controls of one walk.

    Args:
        sampler, grid, clamp: options of these groups of conf/.
        steps: times of the grid, up to 1,000.
        scale: w of x0 = x0_null + w (x0_y - x0_null), from 0 to 20.
        low, high: the times between which w applies.
        rescale: φ, in [0, 1].
        labels: classes by number or by name, with commas between them; empty is all, or none.
        num_images: up to 16; points up to 5,000.
        seed: of all noise, up to 2³² - 1.

    Raises:
        UserError: if a value is out of its bounds.
    """

    sampler: str = "ddim"
    grid: str = "uniform"
    steps: int = 50
    clamp: str = "static"
    scale: float = 1.0
    low: float = 0.0
    high: float = 1.0
    rescale: float = 0.0
    labels: str = ""
    num_images: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        bounded("steps", self.steps, 1, MOST_STEPS)
        bounded("images", self.num_images, 1, MOST_POINTS)
        bounded("seed", self.seed, 0, MOST_SEED)
        within("w", self.scale, 0, MOST_SCALE)
        for name in "low", "high", "rescale":
            within(name, getattr(self, name), 0, 1)
        if len(self.labels) > MOST_LABELS:
            raise UserError(f"the labels have more than {MOST_LABELS} characters; name fewer.")

    @property
    def groups(self) -> dict[str, str]:
        """Group → the option of it."""
        return {"sampler": self.sampler, "sampler/grid": self.grid, "clamp": self.clamp}

    @property
    def options(self) -> list[str]:
        """The options of `sample.py` that choose this sampler, guidance and clamp."""
        chosen = [f"{group}={name}" for group, name in self.groups.items()]
        chosen += [f"sampler.steps={self.steps}", f"guidance.scale={plain(self.scale)}"]
        if (self.low, self.high) != (0, 1):
            chosen.append(f"guidance.interval=[{plain(self.low)},{plain(self.high)}]")
        if self.rescale:
            chosen.append(f"guidance.rescale={plain(self.rescale)}")
        return chosen

    @property
    def classes(self) -> list[int | str] | None:
        """The labels, one by one; None if there are none."""
        words = [word.strip() for word in self.labels.split(",") if word.strip()]
        return [int(word) if word.isdecimal() else word for word in words] or None


def plain(x: float) -> str:
    """The number as one types it: 3 for 3.0."""
    return str(int(x)) if x == int(x) else repr(x)


def bounded(name: str, value: object, least: int, most: int) -> int:
    """The value, if it is an integer within the bounds.

    Raises:
        UserError: if it is not.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise UserError(f"{name}: {value} is not a whole number from {least} to {most:,}.")
    return value


def within(name: str, value: object, least: float, most: float) -> float:
    """The value, if it is a number within the bounds.

    Raises:
        UserError: if it is not.
    """
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
        raise UserError(f"{name}: {value} is not a number from {plain(least)} to {plain(most)}.")
    return value
