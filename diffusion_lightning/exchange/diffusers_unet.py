"""Our U-Net ↔ diffusers' `UNet2DModel`: the names of the tensors, and the configuration."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange.layouts import Layout, Place, State
from diffusion_lightning.exchange.time_offset import shifted
from diffusion_lightning.networks.blocks import Attention, Downsample, ResidualBlock, Upsample, frequencies
from diffusion_lightning.networks.unet import UNet

TIME, BIAS, LABEL = "embedding.time.0.weight", "embedding.time.2.bias", "embedding.label.weight"
"""The tensors that are not the same in both: the first layer of the time, and where labels come in."""

THEIR_TIME, THEIR_BIAS = "time_embedding.linear_1.weight", "time_embedding.linear_2.bias"
THEIR_LABEL = "class_embedding.weight"

FOLDERS = {ResidualBlock: "resnets", Attention: "attentions"}

OLD_NAMES = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""Attention's layers in files of before diffusers 0.12, and their names of today."""

FIXED = {
    "center_input_sample": False,
    "time_embedding_type": "positional",
    "mid_block_type": "UNetMidBlock2D",
    "mid_block_scale_factor": 1,
    "downsample_type": "conv",
    "upsample_type": "conv",
    "act_fn": "silu",
    "attn_norm_num_groups": None,
    "resnet_time_scale_shift": "default",
    "add_attention": True,
    "class_embed_type": None,
}
"""Options of `UNet2DModel` that our U-Net has one value of, which is the default there."""

OURS = {
    "sample_size": None,
    "in_channels": 3,
    "out_channels": 3,
    "time_embedding_dim": None,
    "freq_shift": 0,
    "flip_sin_to_cos": True,
    "down_block_types": ("DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"),
    "up_block_types": ("AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"),
    "block_out_channels": (224, 448, 672, 896),
    "layers_per_block": 2,
    "downsample_padding": 1,
    "dropout": 0.0,
    "attention_head_dim": 8,
    "norm_num_groups": 32,
    "norm_eps": 1e-5,
    "num_class_embeds": None,
}
"""Options that our U-Net has too, with their defaults there."""


def _place(place: Place) -> str:
    name = f"{place.side}_blocks.{place.level}"
    if place.part in FOLDERS:
        return f"{name}.{FOLDERS[place.part]}.{place.block}"
    return f"{name}.{place.side}samplers.0.conv"


LAYOUT = Layout(
    fixed={
        "embedding.time.0": (None, "time_embedding.linear_1"),
        "embedding.time.2": (None, "time_embedding.linear_2"),
        "stem": (None, "conv_in"),
        "middle.body": (ResidualBlock, "mid_block.resnets.0"),
        "middle.attention": (Attention, "mid_block.attentions.0"),
        "middle_out.body": (ResidualBlock, "mid_block.resnets.1"),
        "head_norm": (None, "conv_norm_out"),
        "head": (None, "conv_out"),
    },
    place=_place,
    parts={
        ResidualBlock: {
            "norm1": ("norm1",),
            "conv1": ("conv1",),
            "embed": ("time_emb_proj",),
            "norm2": ("norm2",),
            "conv2": ("conv2",),
            "shortcut": ("conv_shortcut",),
        },
        Attention: {
            "norm": ("group_norm",),
            "qkv": ("to_q", "to_k", "to_v"),
            "project": ("to_out.0",),
        },
        Downsample: {"": ("",)},
        Upsample: {"": ("",)},
    },
)


Memory = Mapping[str, Any]
"""What an import keeps so that an export gives the same tensors: `first_layer`, `sines_first`, `labels`."""


def unet_state(network: UNet, label: int | None, memory: Memory | None = None) -> dict[str, Tensor]:
    """The network's tensors as `UNet2DModel` has them.

    Args:
        network: ours.
        label: the one label, whose row becomes part of a bias; None keeps all of them.
        memory: of the import that the network came by, if it did.
    """
    own, state, memory = network.state_dict(), LAYOUT.write(network), _valid(network, memory)
    state[THEIR_TIME] = memory.get("first_layer", shifted(own[TIME], _frequencies(network), 1))
    if label is None:
        state[THEIR_LABEL] = own[LABEL][: memory.get("labels")]
    else:
        row = own[LABEL][label].double()
        state[THEIR_BIAS] = (own[BIAS].double() + row).to(own[BIAS].dtype)
    return {name: tensor.detach().clone().contiguous() for name, tensor in state.items()}


def network_state(network: UNet, state: State, sines_first: bool = True) -> dict[str, Tensor]:
    """What `unet_state` gave, as our network's tensors; without labels, all rows of the embedding are 0.

    Args:
        network: ours, for which the tensors are.
        state: of `UNet2DModel`, in the names of any version.
        sines_first: the order of the waves there.

    Raises:
        UserError: if a tensor is missing, does not fit, or has no place in our U-Net.
    """
    state = {_of_today(name): tensor for name, tensor in state.items()}
    label = state.pop(THEIR_LABEL, None)
    found = LAYOUT.read(network, state)
    found[TIME] = _first_layer(network, found[TIME], sines_first)
    found[LABEL] = torch.zeros_like(network.state_dict()[LABEL])
    if label is not None:
        rows = found[LABEL]
        if label.shape[1:] != rows.shape[1:] or len(rows) - len(label) not in (0, 1):
            raise UserError(f"{THEIR_LABEL} is {tuple(label.shape)}, and ours {tuple(rows.shape)}.")
        rows[: len(label)] = label  # without a null label there, ours is 0
    return found


def _sines_first(weight: Tensor, sines_first: bool) -> Tensor:
    return weight if sines_first else torch.cat(weight.chunk(2, dim=1)[::-1], dim=1)


def _first_layer(network: UNet, weight: Tensor, sines_first: bool) -> Tensor:
    """Our first layer of the time, from theirs."""
    return shifted(_sines_first(weight, sines_first), _frequencies(network), -1)


def _valid(network: UNet, memory: Memory | None) -> Memory:
    """The memory, if the network is still as it was imported."""
    if not memory:
        return {}
    first = _first_layer(network, memory["first_layer"], memory["sines_first"])
    return memory if torch.equal(first, network.state_dict()[TIME]) else {}


def _frequencies(network: UNet) -> Tensor:
    return frequencies(network.embedding.width, network.embedding.freq_shift)


def _of_today(name: str) -> str:
    path, _, leaf = name.rpartition(".")
    place, _, layer = path.rpartition(".")
    return f"{place}.{OLD_NAMES[layer]}.{leaf}" if "attentions" in place and layer in OLD_NAMES else name


def unet_config(network: nn.Module, label: int | None, memory: Memory | None = None) -> dict[str, Any]:
    """The options of the `UNet2DModel` that computes what the network computes.

    Args:
        network: ours.
        label: the one label that it is for; None keeps all of them.
        memory: of the import that the network came by, if it did.

    Raises:
        UserError: if there is no such `UNet2DModel`; it says what it cannot express.
    """
    if type(network) is not UNet:
        raise UserError(f"diffusers' UNet2DModel cannot express a {type(network).__name__}, only our UNet.")
    if network.patch > 1:
        raise UserError(
            f"diffusers' UNet2DModel cannot express network.patch={network.patch}: it has no patches."
        )
    channels, height, width = network.image_shape
    levels = _levels(network)
    widths = [stages[0].body.conv1.out_channels for stages in levels]
    attends = [stages[0].attention is not None for stages in levels]
    if widths[0] != network.embedding.width:
        raise UserError(
            f"diffusers' UNet2DModel begins with as many channels as its first level, {widths[0]}, not with "
            f"width={network.embedding.width}: only channel_mults that begin with 1 can be exported."
        )
    if network.embedding.width < 4:
        raise UserError(f"diffusers divides by 0 for width={network.embedding.width}; it must be 4 or more.")
    norms = [module for module in network.modules() if isinstance(module, nn.GroupNorm)]
    groups = sorted({norm.num_groups for norm in norms})
    if len(groups) > 1:
        raise UserError(
            "diffusers' UNet2DModel has one number of groups in all its normalisations, and this network has "
            f"{', '.join(map(str, groups))} (network.norm_groups=null); networks trained with a number "
            "there can be exported."
        )
    down = [module for module in network.modules() if isinstance(module, Downsample)]
    memory = _valid(network, memory)
    return {
        "_class_name": "UNet2DModel",
        **FIXED,
        "sample_size": height if height == width else [height, width],
        "in_channels": channels,
        "out_channels": channels,
        "time_embedding_dim": None,
        "freq_shift": network.embedding.freq_shift,
        "flip_sin_to_cos": not memory.get("sines_first", True),
        "down_block_types": ["AttnDownBlock2D" if a else "DownBlock2D" for a in attends],
        "up_block_types": ["AttnUpBlock2D" if a else "UpBlock2D" for a in reversed(attends)],
        "block_out_channels": widths,
        "layers_per_block": len(levels[0]),
        "downsample_padding": 0 if down and down[0].padding == (0, 0) else 1,
        "dropout": next(m.p for m in network.modules() if isinstance(m, nn.Dropout)),
        "attention_head_dim": _head_dim(network, widths, attends),
        "norm_num_groups": groups[0],
        "norm_eps": norms[0].eps,
        "num_class_embeds": memory.get("labels", network.num_classes + 1) if label is None else None,
    }


def _levels(network: UNet) -> list[list[Any]]:
    """The stages of the way down, level by level, without the resamplings."""
    levels: list[list[Any]] = [[]]
    for stage in network.down:
        if stage.resamples:
            levels.append([])
        else:
            levels[-1].append(stage)
    return levels


def _head_dim(network: UNet, widths: list[int], attends: list[bool]) -> int | None:
    heads = next(m.num_heads for m in network.modules() if isinstance(m, Attention))
    if heads == 1:
        return None
    attending = _attending_widths(widths, attends)
    if len(attending) > 1:
        raise UserError(
            f"diffusers' UNet2DModel has heads of one size, and this network {heads} heads of "
            f"{', '.join(str(width // heads) for width in sorted(attending))} channels; only networks whose "
            "attending levels and middle are equally wide, or with num_heads=1, can be exported."
        )
    return widths[-1] // heads


def network_options(config: Mapping[str, Any], num_classes: int) -> dict[str, Any]:
    """The arguments of our UNet that computes what this `UNet2DModel` computes.

    Args:
        config: its `config.json`.
        num_classes: K of our network.

    Raises:
        UserError: if our U-Net cannot express it; it says what.
    """
    for name, value in FIXED.items():
        if config.get(name, value) != value:
            raise UserError(
                f"the UNet2DModel has {name}={config[name]!r}; our U-Net expresses {value!r} alone."
            )
    known = {name: config.get(name, default) for name, default in OURS.items()}
    widths, side = list(known["block_out_channels"]), known["sample_size"]
    if not side:
        raise UserError("the UNet2DModel's config has no sample_size; write the images' side there.")
    side = side if isinstance(side, int) else list(side)
    attends = _attending(known["down_block_types"], known["up_block_types"])
    first = widths[0]
    if any(width % first for width in widths):
        raise UserError(f"the levels have {widths} channels, which are no multiples of the first level's.")
    if known["in_channels"] != known["out_channels"]:
        raise UserError(
            f"the UNet2DModel maps {known['in_channels']} to {known['out_channels']} channels; our U-Net "
            "expresses networks with as many out as in."
        )
    if known["time_embedding_dim"] not in (None, 4 * first):
        raise UserError(f"time_embedding_dim is {known['time_embedding_dim']}; ours is 4 x {first}.")
    shorter = side if isinstance(side, int) else min(side)
    return {
        "_target_": "diffusion_lightning.UNet",
        "image_channels": known["in_channels"],
        "image_size": side,
        "num_classes": num_classes,
        "width": first,
        "channel_mults": [width // first for width in widths],
        "num_res_blocks": known["layers_per_block"],
        "attention_resolutions": [shorter // 2**level for level, a in enumerate(attends) if a],
        "num_heads": _heads(known["attention_head_dim"], widths, attends),
        "dropout": float(known["dropout"]),
        "norm_groups": known["norm_num_groups"],
        "norm_eps": float(known["norm_eps"]),
        "downsample_padding": known["downsample_padding"],
        "freq_shift": known["freq_shift"],
        "patch": 1,
    }


def _attending(down: list[str], up: list[str]) -> list[bool]:
    """Whether each level attends."""
    kinds = {"DownBlock2D": False, "AttnDownBlock2D": True, "UpBlock2D": False, "AttnUpBlock2D": True}
    if other := [kind for kind in (*down, *up) if kind not in kinds]:
        raise UserError(f"the UNet2DModel has a {other[0]}; our U-Net can only express {', '.join(kinds)}.")
    ways = [kinds[kind] for kind in down], [kinds[kind] for kind in reversed(up)]
    if ways[0] != ways[1]:
        raise UserError("the UNet2DModel attends at other levels on its way up than on its way down.")
    return ways[0]


def _attending_widths(widths: list[int], attends: list[bool]) -> set[int]:
    """The channels of the levels that attend, and of the middle, which always does."""
    return {width for width, a in zip(widths, attends, strict=True) if a} | {widths[-1]}


def _heads(head_dim: int | None, widths: list[int], attends: list[bool]) -> int:
    widths_there = _attending_widths(widths, attends)
    heads = {1} if head_dim is None else {max(1, width // head_dim) for width in widths_there}
    if len(heads) > 1:
        raise UserError(
            f"attention_head_dim={head_dim} makes {', '.join(map(str, sorted(heads)))} heads at different "
            "levels; our U-Net has one number of heads."
        )
    return heads.pop()
