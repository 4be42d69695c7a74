"""A schedule whose β are given, as published models have them."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from diffusion_lightning.diffusion.schedules.base import BetaSchedule
from diffusion_lightning.errors import UserError


@dataclass(frozen=True)
class GivenBetas(BetaSchedule):
    """β_1 … β_T as a table.

    Args:
        T: number of timesteps, as many as there are β.
        table: β_1 … β_T, each between 0 and 1, both excluded.

    Raises:
        UserError: if there are not T of them, one is out of its range, or they do not end in pure noise.
    """

    table: Sequence[float] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "table", tuple(self.table))
        if len(self.table) != self.T:
            raise UserError(f"the table has {len(self.table)} β; there must be T = {self.T} of them.")
        super().__post_init__()

    def __repr__(self) -> str:
        return f"GivenBetas(T={self.T})"

    def _at(self, T: int) -> "GivenBetas":
        return self  # which no other T would change

    def betas(self) -> Tensor:
        """The table."""
        return torch.tensor(self.table, dtype=torch.float64)
