"""What the rest of the project asks of a network.

A network is a `torch.nn.Module`. It must have:

- `num_classes`, an integer: K ≥ 0 classes. Labels are 0 … K - 1, and K is the null label.
- `forward(x_t, time, y)`: noisy samples (B, *), times in timesteps T t (B,), labels (B,) to (B, *).

With these alone it trains, samples and is evaluated, and is sharded as a whole. If it also keeps its layers
in stages (`Staged`), it is sharded stage by stage, and can compute a stage again for the gradient.
"""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class Staged(Protocol):
    """A network whose layers are called in stages, each a module of its own.

    Attributes:
        gradient_checkpointing: compute each stage again for the gradient instead of keeping what is inside
            (Chen et al. 2016, Training Deep Nets with Sublinear Memory Cost, arXiv 1604.06174).
    """

    gradient_checkpointing: bool

    def stages(self) -> Iterable[nn.Module]:
        """The stages, in the order in which they are called; no parameter is in two of them."""
