"""The U-Net's parts: embeddings, residual block, attention, resampling."""

import math
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from diffusion_lightning.networks.dropout import Dropout

Layer = TypeVar("Layer", bound=nn.Module)


@dataclass(frozen=True)
class Norm:
    """Makes a network's group normalisations (Wu & He 2018, arXiv 1803.08494).

    Args:
        groups: of every layer of the network, a divisor of its channels. None gives each layer the most
            groups, a power of two up to 32, that leave a multiple of 4 channels per group.
        eps: added to the variance.
    """

    groups: int | None = None
    eps: float = 1e-5

    def __call__(self, channels: int) -> nn.GroupNorm:
        """GroupNorm over this many channels."""
        return nn.GroupNorm(self.groups or math.gcd(32, max(1, channels // 4)), channels, self.eps)


def zero(layer: Layer) -> Layer:
    """The layer with all its parameters set to zero, so that at first its branch adds nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer


def frequencies(dim: int, freq_shift: int = 1, device: torch.device | None = None) -> Tensor:
    """dim/2 frequencies in a geometric series from 1 downwards, float32 (dim/2,).

    Args:
        dim: of the embedding.
        freq_shift: 1 ends at 1/10000, as the code of DDPM does; 0 one step before, as later codes do.
        device: where they are.
    """
    half = dim // 2
    return torch.exp(-math.log(10_000) * torch.arange(half, device=device) / max(1, half - freq_shift))


def sinusoidal(time: Tensor, dim: int, freq_shift: int = 1) -> Tensor:
    """Sines and cosines of time (B,) at dim/2 frequencies: (B, dim), in float32 or, for such times, float64.

    Source: Vaswani et al. 2017 (Attention Is All You Need, arXiv 1706.03762), section 3.5, with all sines
    first as in Ho et al. 2020 (arXiv 2006.11239).
    """
    time = time.to(torch.promote_types(time.dtype, torch.float32))
    angles = time[:, None] * frequencies(dim, freq_shift, time.device)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


class ConditionEmbedding(nn.Module):
    """Embeds the time and the label into one vector of 4 x width.

    Args:
        width: dimension of the sinusoidal time embedding; even.
        num_classes: K; labels are 0 … K - 1, and K is the null label.
        freq_shift: see `frequencies`.
    """

    def __init__(self, width: int, num_classes: int, freq_shift: int = 1) -> None:
        super().__init__()
        self.width = width
        self.freq_shift = freq_shift
        self.time = nn.Sequential(nn.Linear(width, 4 * width), nn.SiLU(), nn.Linear(4 * width, 4 * width))
        self.label = nn.Embedding(num_classes + 1, 4 * width)

    def forward(self, time: Tensor, y: Tensor) -> Tensor:
        """Times in timesteps (B,) and labels (B,) to (B, 4 x width)."""
        waves = sinusoidal(time, self.width, self.freq_shift).to(self.label.weight.dtype)
        return F.silu(self.time(waves) + self.label(y))


class ResidualBlock(nn.Module):
    """x + conv(dropout(silu(norm(conv(silu(norm(x))) + embedding)))), the last conv zero at first.

    Source: Ho et al. 2020, appendix B.
    """

    def __init__(
        self, in_channels: int, out_channels: int, embedding: int, dropout: float, norm: Norm
    ) -> None:
        super().__init__()
        self.norm1 = norm(in_channels)
        self.conv1 = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.embed = nn.Linear(embedding, out_channels)
        self.norm2 = norm(out_channels)
        self.dropout = Dropout(dropout)
        self.conv2 = zero(nn.Conv2d(out_channels, out_channels, 3, padding=1))
        same = in_channels == out_channels
        self.shortcut = nn.Identity() if same else nn.Conv2d(in_channels, out_channels, 1)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, C_in, H, W), (B, E) to (B, C_out, H, W)."""
        h = self.conv1(F.silu(self.norm1(x))) + self.embed(embedding)[:, :, None, None]
        h = self.conv2(self.dropout(F.silu(self.norm2(h))))
        return self.shortcut(x) + h


class Attention(nn.Module):
    """x + projected self-attention over all pixels, the projection zero at first."""

    def __init__(self, channels: int, num_heads: int, norm: Norm) -> None:
        super().__init__()
        self.num_heads = num_heads
        self.norm = norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.project = zero(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H, W)."""
        b, c, h, w = x.shape
        qkv = self.qkv(self.norm(x)).view(b, 3, self.num_heads, c // self.num_heads, h * w)
        qkv = qkv.transpose(3, 4)
        if x.is_cuda:  # whose fused kernels need channels side by side; on a CPU these are slower in bfloat16
            qkv = qkv.contiguous()
        q, k, v = qkv.unbind(1)
        attended = F.scaled_dot_product_attention(q, k, v)
        return x + self.project(attended.transpose(2, 3).reshape(b, c, h, w))


class Downsample(nn.Conv2d):
    """Halves the side with a strided convolution.

    Args:
        channels: C.
        padding: 1 pads every edge by one pixel; 0 pads the right and the bottom edge alone, as the
            TensorFlow code of DDPM does.
    """

    def __init__(self, channels: int, padding: int = 1) -> None:
        super().__init__(channels, channels, 3, stride=2, padding=padding)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H/2, W/2)."""
        return super().forward(x if self.padding == (1, 1) else F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Conv2d):
    """Doubles the side by repeating pixels, then convolves with w (3x3).

    Both in one: of the four copies of a pixel, one output sees one, two or four, and so the sum of their
    weights. That is a transposed convolution of stride 2 with the kernel S w Sᵀ (4x4), S = [[1, 0, 0],
    [1, 1, 0], [0, 1, 1], [0, 0, 1]]: four products per pixel and channel in place of nine, and no image of
    copies in between.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, 2H, 2W)."""
        s = torch.ones(4, 3, device=x.device, dtype=self.weight.dtype).tril().triu(-1)
        # A transposed convolution turns its kernel round
        kernel = (self.weight.flatten(2) @ torch.kron(s, s).flip(1).T).unflatten(2, (4, 4))
        return F.conv_transpose2d(x, kernel.transpose(0, 1), self.bias, stride=2, padding=1)
