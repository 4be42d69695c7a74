"""Multistep samplers: one evaluation per step, and a polynomial through the latest predictions."""

from dataclasses import dataclass

from diffusion_lightning.diffusion.samplers.base import Sampler
from diffusion_lightning.errors import UserError


@dataclass(frozen=True)
class Multistep(Sampler):
    """A solver that extrapolates from the latest `order` predictions, the present one included.

    The first steps use as many predictions as there are.

    Args:
        steps: number of grid times; None is all T.
        order: 1, 2 or 3.
        grid: where the times lie.

    Raises:
        UserError: if a value is out of its range.
    """

    steps: int | None = 20
    order: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.order not in (1, 2, 3):
            raise UserError(f"order is {self.order!r}; it must be 1, 2 or 3.")

    @property
    def memory_length(self) -> int:
        """The present prediction is one of the polynomial's points."""
        return self.order - 1
