"""The loss per quarter of t: at which noise levels the model errs."""

import torch
from torch import Tensor

from diffusion_lightning.distributed import gather_in_order, world_size

AT_ONCE = 100
"""Batches whose losses wait on the device before they are added up: reading them waits for all work there."""


class LossByTime:
    """Mean loss over t in (0, 1/4], (1/4, 1/2], (1/2, 3/4] and (3/4, 1], summed over all processes.

    The sums are float64 on the CPU: not every device has float64.
    """

    names = ("t0-25", "t25-50", "t50-75", "t75-100")

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget all losses."""
        self._sums = torch.zeros(2, 4, dtype=torch.float64)
        self._waiting: list[tuple[Tensor, Tensor]] = []

    def update(self, loss: Tensor, t: Tensor) -> None:
        """Add the losses (B,) of images at times t (B,), which are on the CPU."""
        self._waiting.append((loss, t))
        if len(self._waiting) >= AT_ONCE:
            self._add_up()

    def compute(self) -> tuple[Tensor, Tensor]:
        """(means of the four quarters (4,), mean of all); nan for a quarter without images."""
        sums, counts = self.all_sums().sum(0)
        return sums / counts, sums.sum() / counts.sum()

    def all_sums(self) -> Tensor:
        """The sums and counts of every process so far, (W, 2, 4)."""
        self._add_up()
        return gather_in_order(self._sums[None], world_size())

    def set_sums(self, parts: Tensor) -> None:
        """Continue from the sums and counts of some processes, (w, 2, 4)."""
        self.reset()
        self._sums = parts.cpu().sum(0)

    def _add_up(self) -> None:
        """Add the losses that wait, in their order."""
        if self._waiting:
            loss, t = (torch.cat(column) for column in zip(*self._waiting, strict=True))
            quarter = ((4 * t).ceil().long() - 1).clamp(0, 3)
            self._sums[0].index_add_(0, quarter, loss.cpu().double())
            self._sums[1].index_add_(0, quarter, torch.ones_like(quarter, dtype=torch.float64))
            self._waiting = []
