"""The loss per quarter of t: at which noise levels the model errs."""

import torch
from torch import Tensor
from torchmetrics import Metric

from diffusion_lightning.compat import mark_updated
from diffusion_lightning.distributed import gather_in_order, world_size


class LossByTime(Metric):
    """Mean loss over t in (0, 1/4], (1/4, 1/2], (1/2, 3/4] and (3/4, 1], summed over all processes."""

    names = ("t0-25", "t25-50", "t50-75", "t75-100")
    full_state_update = False
    sums: Tensor
    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("sums", torch.zeros(4, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("counts", torch.zeros(4, dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, loss: Tensor, t: Tensor) -> None:
        """Add the losses (B,) of images at times t (B,)."""
        quarter = ((4 * t).ceil().long() - 1).clamp(0, 3).to(loss.device, non_blocking=True)
        self.sums.index_add_(0, quarter, loss.double())
        self.counts.index_add_(0, quarter, torch.ones_like(loss, dtype=torch.float64))

    def compute(self) -> tuple[Tensor, Tensor]:
        """(means of the four quarters (4,), mean of all); nan for a quarter without images."""
        return self.sums / self.counts, self.sums.sum() / self.counts.sum()

    def all_sums(self) -> Tensor:
        """The sums and counts of every process so far, (W, 2, 4)."""
        return gather_in_order(torch.stack([self.sums, self.counts])[None], world_size())

    def set_sums(self, parts: Tensor) -> None:
        """Continue from the sums and counts of some processes, (w, 2, 4)."""
        self.sums, self.counts = parts.sum(0).to(self.sums)
        mark_updated(self)
