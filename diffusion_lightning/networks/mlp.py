"""A residual multilayer perceptron, for points."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffusion_lightning.errors import UserError, check_counts
from diffusion_lightning.networks.blocks import ConditionEmbedding, zero

OCTAVES = 4
"""Frequencies of each coordinate: 1, 2, 4 and 8 periods in [-1, 1]."""


def fourier(x: Tensor) -> Tensor:
    """Coordinates (B, D), and their sines and cosines at π, 2π, 4π, …: (B, D (1 + 2 OCTAVES)).

    Without them a network is slow to learn a density's edges.

    Source: Tancik et al. 2020 (Fourier Features Let Networks Learn High Frequency Functions,
    arXiv 2006.10739), section 6.
    """
    angles = torch.pi * torch.cat([2**k * x for k in range(OCTAVES)], dim=1)
    return torch.cat([x, angles.sin(), angles.cos()], dim=1)


class MLP(nn.Module):
    """Residual blocks of two linear layers, each told the time and the label.

    It always computes in the precision of its weights: bfloat16 has fewer digits than a coordinate needs.

    Args:
        dim: D, coordinates of a point.
        num_classes: K ≥ 0; label K is the null label.
        width: features of a point, and of the embedding; a multiple of 8.
        depth: residual blocks.

    Source: the residual blocks of He et al. 2016 (Deep Residual Learning, arXiv 1512.03385), with DDPM's
    embeddings (Ho et al. 2020, arXiv 2006.11239) in place of its convolutions.

    Raises:
        UserError: if a number is out of its range; when called, if the points have another dimension.
    """

    def __init__(self, dim: int, num_classes: int, width: int = 128, depth: int = 3) -> None:
        super().__init__()
        check_counts(dim=dim, width=width, depth=depth)
        check_counts(least=0, num_classes=num_classes)
        if width % 8:
            raise UserError(f"width is {width}; it must be a multiple of 8.")
        self.dim = dim
        self.num_classes = num_classes
        self.embedding = ConditionEmbedding(width // 4, num_classes)
        self.stem = nn.Linear(dim * (1 + 2 * OCTAVES), width)
        self.blocks = nn.ModuleList(Block(width) for _ in range(depth))
        self.head = zero(nn.Linear(width, dim))

    def forward(self, x: Tensor, time: Tensor, y: Tensor) -> Tensor:
        """Points (B, D), times in timesteps (B,) and labels (B,) to (B, D)."""
        if x.shape[1:] != (self.dim,):
            raise UserError(f"the points are {tuple(x.shape)}; this network takes (B, {self.dim}).")
        with torch.autocast(x.device.type, enabled=False):
            embedding = self.embedding(time, y)
            h = self.stem(fourier(x))
            for block in self.blocks:
                h = block(h, embedding)
            return self.head(F.silu(h))


class Block(nn.Module):
    """h + W_2 silu(W_1 silu(h) + the embedding)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Linear(width, width)
        self.condition = nn.Linear(width, width)
        self.second = zero(nn.Linear(width, width))

    def forward(self, h: Tensor, embedding: Tensor) -> Tensor:
        """(B, width), (B, width) to (B, width)."""
        inner = self.first(F.silu(h)) + self.condition(embedding)
        return h + self.second(F.silu(inner))
