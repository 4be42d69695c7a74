"""Densities on the plane, known in closed form: two moons, a swiss roll, rings of Gaussians, a chessboard, a
picture.

Points are (N, 2), x to the right and y upwards. Every density lies within [-1, 1], but for tails of at least
three standard deviations, so that a clamp to [-1, 1] suits it.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from diffusion_lightning.errors import UserError, check_at_least, check_positive


class Density(ABC):
    """A density that can be drawn from and evaluated exactly.

    Attributes:
        class_names: of the labels 0, 1, …; none if there are no classes, and every label is 0.
    """

    class_names: Sequence[str] = ()

    @abstractmethod
    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Independent draws: points float64 (n, 2), and their labels (n,)."""

    @abstractmethod
    def pdf(self, x: Tensor) -> Tensor:
        """The density at points (N, 2): float64 (N,)."""


class Traced(Density):
    """A curve, or a few points, with Gaussian noise around it: p(x) = ∫ N(x; c(u), std²) du, 0 ≤ u ≤ 1.

    A new one writes `trace`.

    Args:
        std: of the noise in each coordinate.

    Raises:
        UserError: unless std > 0.
    """

    TERMS = 1024
    """Points of the midpoint rule, which is exact to rounding where they are no further apart than std."""

    def __init__(self, std: float) -> None:
        self.std = check_positive("std", std, 0.04)

    @abstractmethod
    def trace(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """The points c(u) of the curve (n, 2), and their labels (n,), at u (n,)."""

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """Points of the curve at uniform u, with noise."""
        centres, labels = self.trace(torch.rand(n, generator=rng, dtype=torch.float64))
        return centres + self.std * torch.randn(n, 2, generator=rng, dtype=torch.float64), labels

    def pdf(self, x: Tensor) -> Tensor:
        """The integral over u, by the midpoint rule."""
        centres, _ = self.trace((torch.arange(self.TERMS, dtype=torch.float64) + 0.5) / self.TERMS)
        exponents = -0.5 * (torch.cdist(x.double(), centres) / self.std).square()
        return exponents.exp().mean(1) / (2 * math.pi * self.std**2)


class Moons(Traced):
    """Two half circles that reach into each other; the label says which."""

    class_names = "upper", "lower"

    def __init__(self, std: float = 0.04) -> None:
        super().__init__(std)

    def trace(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """The upper moon for u < 1/2, then the lower one, which is the upper one turned by half a circle."""
        lower = u >= 0.5
        angle = math.pi * (2 * u - lower.double())
        upper_moon = torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], dim=1)
        return 0.57 * torch.where(lower[:, None], -upper_moon, upper_moon), lower.long()


class SwissRoll(Traced):
    """A spiral of one turn and a half."""

    def __init__(self, std: float = 0.03) -> None:
        super().__init__(std)

    def trace(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """The spiral of Archimedes from 3π/2 to 9π/2, at uniform angles."""
        angle = 1.5 * math.pi * (1 + 2 * u)
        radius = 0.88 * angle / (4.5 * math.pi)
        points = torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1)
        return points, torch.zeros(len(u), dtype=torch.long)


class Rings(Traced):
    """Gaussians on two rings; the label says in which direction, so a class is an inner and an outer one.

    Args:
        std: of each Gaussian.
        directions: Gaussians on a ring, K classes.
        radii: of the rings.

    Raises:
        UserError: if there are no rings, or fewer than two directions.
    """

    def __init__(self, std: float = 0.05, directions: int = 8, radii: Sequence[float] = (0.4, 0.8)) -> None:
        super().__init__(std)
        self.directions = check_at_least("directions", directions, 2, 100)
        if not radii:
            raise UserError("radii is empty; give a radius for each ring, such as [0.4,0.8].")
        self.radii = torch.tensor(radii, dtype=torch.float64)
        self.class_names = [str(k) for k in range(directions)]

    def trace(self, u: Tensor) -> tuple[Tensor, Tensor]:
        """The centres, each for an equally long part of 0 ≤ u ≤ 1."""
        number = (u * self.directions * len(self.radii)).long()
        label, ring = number % self.directions, number // self.directions
        angle, radius = 2 * math.pi * label / self.directions, self.radii[ring]
        return torch.stack([radius * angle.cos(), radius * angle.sin()], dim=1), label


class Mosaic(Density):
    """A density that is constant on each of H x W square cells, the longer side from -1 to 1.

    Args:
        weights: of the cells, (H, W), not negative; the first row lies on top.

    Raises:
        UserError: if no cell has a weight, or one that is negative or not finite.
    """

    def __init__(self, weights: Tensor) -> None:
        weights = weights.double()
        if not (weights.isfinite() & (weights >= 0)).all():
            raise UserError("the weights hold what is negative or not finite; a density has neither.")
        if not weights.sum() > 0:
            raise UserError("no cell of the picture has a weight; a density needs one that is not white.")
        self.weights = weights / weights.sum()
        self.side = 2 / max(weights.shape)
        height, width = weights.shape
        self.corner = torch.tensor([-width, height], dtype=torch.float64) * self.side / 2

    def sample(self, n: int, rng: torch.Generator) -> tuple[Tensor, Tensor]:
        """A cell by its weight, and a uniform place in it."""
        cell = torch.multinomial(self.weights.flatten(), n, replacement=True, generator=rng)
        width = self.weights.shape[1]
        place = torch.stack([cell % width, -(cell // width) - 1], dim=1)
        inside = torch.rand(n, 2, generator=rng, dtype=torch.float64)
        return self.corner + self.side * (place + inside), torch.zeros(n, dtype=torch.long)

    def pdf(self, x: Tensor) -> Tensor:
        """The weight of the cell over its area; 0 outside."""
        place = ((x.double() - self.corner) / self.side).floor().long()
        column, row = place[:, 0], -place[:, 1] - 1
        height, width = self.weights.shape
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        found = self.weights[row.clamp(0, height - 1), column.clamp(0, width - 1)]
        return torch.where(inside, found / self.side**2, 0.0)


class Checkerboard(Mosaic):
    """The dark squares of a board.

    Args:
        squares: along each side.

    Raises:
        UserError: unless there are at least two.
    """

    def __init__(self, squares: int = 4) -> None:
        rows = torch.arange(check_at_least("squares", squares, 2, 100))
        super().__init__((rows[:, None] + rows) % 2)


class Picture(Mosaic):
    """A picture as a density: the darker, the likelier; white and transparent are empty.

    Args:
        file: an image.
        cells: along its longer side, at most.

    Raises:
        UserError: if the file cannot be read as an image, or all of it is white.
    """

    def __init__(self, file: str | Path, cells: int = 200) -> None:
        from diffusion_lightning.data.image_files import decode

        grey = decode(Path(file), 1)
        grey.thumbnail((check_at_least("cells", cells, 1, 1000), cells))
        super().__init__(255 - torch.from_numpy(np.array(grey)).double())


SHAPES: dict[str, type[Density]] = {
    "moons": Moons,
    "swiss_roll": SwissRoll,
    "checkerboard": Checkerboard,
    "rings": Rings,
}
"""What `dataset.shape=` may name."""


def density_of(shape: str | Density) -> Density:
    """The density itself, or the one of this name, or that of the picture in this file.

    Raises:
        UserError: if it is neither.
    """
    if isinstance(shape, Density):
        return shape
    if shape in SHAPES:
        return SHAPES[shape]()
    if not Path(shape).is_file():
        raise UserError(
            f"shape is {shape!r}; it must be {', '.join(SHAPES)}, or the file of a picture, such as cat.png."
        )
    return Picture(shape)
