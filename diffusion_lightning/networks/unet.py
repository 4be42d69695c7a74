"""DDPM's U-Net."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from diffusion_lightning.errors import UserError, check_counts, check_fraction, check_positive
from diffusion_lightning.images import height_and_width
from diffusion_lightning.networks.blocks import (
    Attention,
    ConditionEmbedding,
    Downsample,
    Norm,
    ResidualBlock,
    Upsample,
    zero,
)


class UNet(nn.Module):
    """A U-Net of residual blocks with attention at chosen resolutions, for any channels and sides.

    Level i has width x channel_mults[i] channels at sides image_size / (patch 2^i). Each level goes down
    through `num_res_blocks` blocks and up through one more; every output on the way down is
    concatenated to an input on the way up.

    Args:
        image_channels: C.
        image_size: H = W, or [H, W]; divisible by patch 2^(levels - 1).
        num_classes: K ≥ 0; label K is the null label.
        width: channels of the first level; even.
        channel_mults: one factor per level.
        num_res_blocks: residual blocks per level.
        attention_resolutions: shorter sides of levels at which each block is followed by attention; the
            middle always has one.
        num_heads: attention heads; divides the channels of each level that attends.
        dropout: probability inside each residual block.
        norm_groups: groups of every normalisation, at most one per channel of the narrowest level; divides
            the channels of each level. None gives each layer as many as suit it, which is what checkpoints
            without this option mean.
        norm_eps: of every normalisation.
        downsample_padding: 1 pads every edge, 0 the right and the bottom edge alone (see `Downsample`).
        freq_shift: 1 or 0, of the time's frequencies (see `frequencies`).
        patch: the network sees each square of patch x patch pixels as one pixel of patch² C channels; 1
            leaves the image as it is. Twice the patch is a quarter of the work for as many channels.

    It is `Staged` (`networks/base.py`), with gradient checkpointing off at first.

    Source: Ho et al. 2020 (DDPM, arXiv 2006.11239), appendix B. Its CIFAR-10 network has
    `width=128, channel_mults=(1, 2, 2, 2)`, attention at 16 and dropout 0.1.

    Raises:
        UserError: if a number is out of its range, the image cannot be halved often enough, or the heads or
            groups do not divide the channels; when called, if the images have another shape.
    """

    def __init__(
        self,
        image_channels: int,
        image_size: int | Sequence[int],
        num_classes: int,
        width: int,
        channel_mults: Sequence[int],
        num_res_blocks: int,
        attention_resolutions: Sequence[int] = (),
        num_heads: int = 1,
        dropout: float = 0.0,
        norm_groups: int | None = None,
        norm_eps: float = 1e-5,
        downsample_padding: int = 1,
        freq_shift: int = 1,
        patch: int = 1,
    ) -> None:
        super().__init__()
        check_counts(image_channels=image_channels, width=width, patch=patch)
        check_counts(num_res_blocks=num_res_blocks, num_heads=num_heads)
        check_counts(least=0, num_classes=num_classes)
        for mult in channel_mults:
            check_counts(channel_mults=mult)
        check_fraction("dropout", dropout)
        if norm_groups is not None:
            check_counts(norm_groups=norm_groups)
        check_positive("norm_eps", norm_eps, 1e-5)
        if downsample_padding not in (0, 1):
            raise UserError(
                f"downsample_padding is {downsample_padding}; it must be 1 (every edge) or 0 (the "
                "right and the bottom edge)."
            )
        if freq_shift not in (0, 1):
            raise UserError(f"freq_shift is {freq_shift}; it must be 1 (DDPM) or 0.")
        if width % 2:
            raise UserError(f"width is {width}; it must be even.")
        if not channel_mults:
            raise UserError("channel_mults is empty; give a factor for each level, such as [1,2].")
        self.gradient_checkpointing = False
        self.num_classes = num_classes
        height_width = height_and_width(image_size)
        self.image_shape = image_channels, *height_width
        self.patch = patch
        self.to_patches = nn.PixelUnshuffle(patch) if patch > 1 else nn.Identity()
        self.from_patches = nn.PixelShuffle(patch) if patch > 1 else nn.Identity()
        widths = [width * mult for mult in channel_mults]
        sides = [min(height_width) // patch // 2**level for level in range(len(widths))]
        self.norm_groups = None if norm_groups is None else min(norm_groups, *widths)
        _check_sizes(height_width, patch, widths, num_heads, self.norm_groups)
        norm = Norm(self.norm_groups, norm_eps)
        self.embedding = ConditionEmbedding(width, num_classes, freq_shift)

        def block(in_channels: int, out_channels: int, side: int) -> Stage:
            attention = side in attention_resolutions
            residual = ResidualBlock(in_channels, out_channels, 4 * width, dropout, norm)
            return Stage(residual, Attention(out_channels, num_heads, norm) if attention else None)

        patch_channels = image_channels * patch**2
        self.stem = nn.Conv2d(patch_channels, width, 3, padding=1)
        self.down = nn.ModuleList()
        channels, skips = width, [width]
        for level, (out_channels, side) in enumerate(zip(widths, sides, strict=True)):
            for _ in range(num_res_blocks):
                self.down.append(block(channels, out_channels, side))
                channels = out_channels
                skips.append(channels)
            if level < len(widths) - 1:
                self.down.append(Stage(Downsample(channels, downsample_padding)))
                skips.append(channels)

        middle = ResidualBlock(channels, channels, 4 * width, dropout, norm)
        self.middle = Stage(middle, Attention(channels, num_heads, norm))
        self.middle_out = Stage(ResidualBlock(channels, channels, 4 * width, dropout, norm))

        self.up = nn.ModuleList()
        for level in reversed(range(len(widths))):
            for _ in range(num_res_blocks + 1):
                self.up.append(block(channels + skips.pop(), widths[level], sides[level]))
                channels = widths[level]
            if level > 0:
                self.up.append(Stage(Upsample(channels)))

        self.head_norm = norm(channels)
        self.head = zero(nn.Conv2d(channels, patch_channels, 3, padding=1))

    def forward(self, x: Tensor, time: Tensor, y: Tensor) -> Tensor:
        """Images (B, C, H, W), times in timesteps (B,) and labels (B,) to (B, C, H, W)."""
        if x.shape[1:] != self.image_shape:
            taken = ", ".join(map(str, self.image_shape))
            raise UserError(f"the images are {tuple(x.shape)}; this network takes (B, {taken}).")
        embedding = self.embedding(time, y)
        h = self.stem(self.to_patches(x))
        skips = [h]
        for stage in self.down:
            h = self._through(stage, h, embedding)
            skips.append(h)
        for stage in (self.middle, self.middle_out):
            h = self._through(stage, h, embedding)
        for stage in self.up:
            if not stage.resamples:
                h = torch.cat([h, skips.pop()], dim=1)
            h = self._through(stage, h, embedding)
        return self.from_patches(self.head(F.silu(self.head_norm(h))))

    def stages(self) -> Iterator[nn.Module]:
        """The way down, the middle, the way up."""
        yield from (*self.down, self.middle, self.middle_out, *self.up)

    def _through(self, stage: nn.Module, h: Tensor, embedding: Tensor) -> Tensor:
        """The stage's output; with checkpointing, nothing inside is kept for the gradient."""
        if self.gradient_checkpointing and torch.is_grad_enabled():
            return checkpoint(stage, h, embedding, use_reentrant=False)
        return stage(h, embedding)


class Stage(nn.Module):
    """One entry of the way down or up: a residual block with optional attention, or a resampling."""

    def __init__(
        self, body: ResidualBlock | Downsample | Upsample, attention: Attention | None = None
    ) -> None:
        super().__init__()
        self.body = body
        self.attention = attention
        self.resamples = not isinstance(body, ResidualBlock)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """(B, C, H, W), (B, E) to (B, C', H', W')."""
        h = self.body(x) if self.resamples else self.body(x, embedding)
        return h if self.attention is None else self.attention(h)


def _check_sizes(
    height_width: Sequence[int], patch: int, widths: Sequence[int], num_heads: int, norm_groups: int | None
) -> None:
    halvings = len(widths) - 1
    divisor = patch * 2**halvings
    if bad := [side for side in height_width if side < 1 or side % divisor]:
        cut = "" if patch == 1 else f"cuts the image into patches of {patch}x{patch} pixels and "
        raise UserError(
            f"this network {cut}halves the image {halvings} times (channel_mults has {len(widths)} "
            f"entries), so its side must be a multiple of {divisor}, not {bad[0]}; choose "
            f"another image size{'' if patch == 1 else ', a smaller patch'} or fewer channel_mults."
        )
    if any(width % num_heads for width in widths):
        raise UserError(f"num_heads={num_heads} must divide the channels of every level, {list(widths)}.")
    if norm_groups is not None and any(width % norm_groups for width in widths):
        raise UserError(
            f"norm_groups={norm_groups} must divide the channels of every level, {list(widths)}; "
            "without it, each layer has as many as suit it."
        )
