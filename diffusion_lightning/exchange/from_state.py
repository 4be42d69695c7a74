"""What the state dict of a U-Net says of it where no config does: widths, levels, blocks, attention."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from diffusion_lightning.checkpoints.trust import build_trusted
from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange.diffusers_unet import LABEL, TIME
from diffusion_lightning.exchange.layouts import Layout, State
from diffusion_lightning.exchange.origin import Asked, Imported, guidance_options
from diffusion_lightning.exchange.time_offset import shifted
from diffusion_lightning.images import height_and_width
from diffusion_lightning.networks.blocks import frequencies
from diffusion_lightning.networks.unet import UNet

Stage = tuple[int | None, bool]
"""The number of channels of a block, or None for a resampling, and whether attention follows."""


def network_options(
    stem: Tensor, stages: list[Stage], asked: Asked, num_classes: int, **options: Any
) -> dict[str, Any]:
    """The arguments of our UNet.

    Args:
        stem: the weight of the first convolution, (width, C, 3, 3).
        stages: those of the way down.
        asked: what the command line says.
        num_classes: K.
        options: further arguments.

    Raises:
        UserError: if the command line does not say what no state dict says.
    """
    if asked.image_size is None:
        raise UserError("a state dict does not say its image_size; add image_size=32, or what it is.")
    width, shorter = len(stem), min(height_and_width(asked.image_size))
    levels: list[list[tuple[int, bool]]] = [[]]
    for channels, attends in stages:
        if channels is None:
            levels.append([])
        else:
            levels[-1].append((channels, attends))
    return {
        "_target_": "diffusion_lightning.UNet",
        "image_channels": stem.shape[1],
        "image_size": asked.image_size,
        "num_classes": num_classes,
        "width": width,
        "channel_mults": [blocks[0][0] // width for blocks in levels],
        "num_res_blocks": len(levels[0]),
        "attention_resolutions": [shorter // 2**i for i, blocks in enumerate(levels) if blocks[0][1]],
        "norm_groups": 32,
        "norm_eps": 1e-5,
        "downsample_padding": 1,
        "freq_shift": 0,
        "patch": 1,
        **options,
    }


def way_down(state: State, blocks: str, conv: str, attention: str) -> list[Stage]:
    """The stages of a list of blocks.

    Args:
        state: the tensors.
        blocks: the list's name.
        conv: the weight of a block's first convolution, which a resampling lacks, below its number.
        attention: a weight of its attention, which only some have.
    """
    names = [f"{blocks}.{i}" for i in range(1 + max(_number(name) for name in state if _in(name, blocks)))]
    convs = [state.get(f"{name}.{conv}") for name in names]
    channels = [None if weight is None else len(weight) for weight in convs]
    return [(c, f"{name}.{attention}" in state) for c, name in zip(channels, names, strict=True)]


def _in(name: str, blocks: str) -> bool:
    return name.startswith(f"{blocks}.")


def _number(name: str) -> int:
    return int(name.split(".")[1])


def imported(
    layout: Layout,
    state: State,
    options: dict[str, Any],
    asked: Asked,
    waves: torch.Tensor,
    label: Tensor | None,
) -> Imported:
    """The model of a state dict.

    Args:
        layout: its names.
        state: its tensors, but for the labels'.
        options: of our network.
        asked: what the command line says.
        waves: for each of our waves, all sines first, its column there (width,).
        label: the rows of the labels (K, 4 width), if it has any.
    """
    network = build_trusted("network", options, UNet)
    found = layout.read(network, state)
    steps = frequencies(network.embedding.width, network.embedding.freq_shift)
    found[TIME] = shifted(found[TIME][:, waves], steps, -1)
    found[LABEL] = torch.zeros_like(network.state_dict()[LABEL])
    if label is not None:
        found[LABEL][: len(label)] = label
    eps: Mapping[str, Any] = {"_target_": "diffusion_lightning.Eps"}
    return Imported(options, dict(asked.schedule), dict(eps), guidance_options(label is not None), found)
