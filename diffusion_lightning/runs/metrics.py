"""The metrics of a run, from its metrics.csv."""

from dataclasses import dataclass
from pathlib import Path

from diffusion_lightning.errors import UserError
from diffusion_lightning.files import read_csv

FILE = "metrics.csv"


@dataclass(frozen=True)
class Curve:
    """A metric over the images seen, as it was logged; a value may be NaN.

    Args:
        images: the images seen at each value.
        values: as many.
    """

    images: tuple[float, ...]
    values: tuple[float, ...]


@dataclass(frozen=True)
class Metrics:
    """Everything that a run logged.

    Args:
        rows: name → value of what was logged together, in order; each has `step` and `images_seen`.
    """

    rows: tuple[dict[str, float], ...] = ()

    @classmethod
    def read(cls, folder: Path) -> "Metrics":
        """The metrics of a run's folder; none if it has logged none yet.

        Raises:
            UserError: if the file is damaged.
        """
        file = folder / FILE
        try:
            rows = read_csv(file) if file.is_file() else ()
            return cls(tuple({name: float(text) for name, text in row.items() if text} for row in rows))
        except (ValueError, TypeError) as error:
            raise UserError(f"{file} is damaged ({error}).") from None

    def names(self) -> list[str]:
        """The names of all metrics, in order."""
        return sorted({name for row in self.rows for name in row})

    def curve(self, name: str) -> Curve:
        """A metric over the images seen; empty if it was never logged."""
        points = [
            (row["images_seen"], row[name]) for row in self.rows if name in row and "images_seen" in row
        ]
        return Curve(tuple(images for images, _ in points), tuple(value for _, value in points))

    def last(self) -> dict[str, float]:
        """The last value of every metric."""
        return {name: value for row in self.rows for name, value in row.items()}

    def images_after(self, steps: int) -> float | None:
        """The images seen after this number of optimizer steps; None if nothing was logged then."""
        # Lightning's number of the last step, whose learning rate is logged before its images are counted
        rows = [row for row in self.rows if row.get("step") == steps - 1 and "images_seen" in row]
        return max((row["images_seen"] for row in rows), default=None)
