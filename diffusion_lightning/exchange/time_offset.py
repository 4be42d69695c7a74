"""The time of other libraries, which count timesteps from 0: folded into the first layer of the embedding."""

import torch
from torch import Tensor


def shifted(weight: Tensor, frequencies: Tensor, steps: int) -> Tensor:
    """The weight (4w, w) that, fed the waves of time k, gives what this one gives for k + steps.

    With W = [S | C], the columns of the sines and of the cosines, and the frequencies f:
    S' = S cos f - C sin f and C' = S sin f + C cos f for one step. Computed in float64.

    Args:
        weight: of the first linear layer, its columns in the order of `networks/blocks.py: sinusoidal`.
        frequencies: f (w/2,), as the network computes them, in float32.
        steps: 1 to other libraries' time k = i - 1, -1 back to ours, i = 1 … T.
    """
    angle = steps * frequencies.double()
    sines, cosines = weight.double().chunk(2, dim=1)
    parts = sines * angle.cos() - cosines * angle.sin(), sines * angle.sin() + cosines * angle.cos()
    return torch.cat(parts, dim=1).to(weight.dtype)
