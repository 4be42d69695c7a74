"""Our names of the U-Net's tensors ↔ those of another code: one table for each code, used both ways."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from diffusion_lightning.errors import UserError
from diffusion_lightning.networks.blocks import Attention
from diffusion_lightning.networks.unet import Stage, UNet

State = Mapping[str, Tensor]


class Place(NamedTuple):
    """Where a part of the U-Net is.

    Args:
        part: its class: a residual block, an attention, or a resampling.
        side: down or up.
        stage: its number on that side.
        level: on that side, in the order of the walk.
        block: within its level; of a resampling, the number of blocks before it.
        attends: whether the blocks of its level are followed by attention.
    """

    part: type
    side: str
    stage: int
    level: int
    block: int
    attends: bool


@dataclass(frozen=True)
class Layout:
    """Another code's names.

    Args:
        fixed: of what every network has once, our name → its class (None of a single layer), and their name.
        place: the other code's name of a part on the way down or up.
        parts: our class → our name of a layer in it → their names. Several names share our rows in turn; an
            empty name is the part itself.
    """

    fixed: Mapping[str, tuple[type | None, str]]
    place: Callable[[Place], str]
    parts: Mapping[type, Mapping[str, tuple[str, ...]]]

    def layers(self, network: UNet) -> Iterator[tuple[str, tuple[str, ...], bool]]:
        """Our name of each layer, their names, and whether it is a 1×1 convolution of attention's."""
        own = {name.rpartition(".")[0] for name in network.state_dict()}
        for ours, part, theirs in self._parts(network):
            for layer, names in self.parts[part].items() if part else [("", ("",))]:
                name = f"{ours}.{layer}".rstrip(".")
                if name in own:  # a block whose channels stay has no shortcut
                    pointwise = part is Attention and layer != "norm"
                    yield name, tuple(f"{theirs}.{other}".rstrip(".") for other in names), pointwise

    def _parts(self, network: UNet) -> Iterator[tuple[str, type | None, str]]:
        for ours, (part, theirs) in self.fixed.items():
            yield ours, part, theirs
        for side in "down", "up":
            for index, (stage, level, block, attends) in enumerate(_walk(getattr(network, side))):
                place = Place(type(stage.body), side, index, level, block, attends)
                yield f"{side}.{index}.body", place.part, self.place(place)
                if stage.attention is not None:
                    attention = place._replace(part=Attention)
                    yield f"{side}.{index}.attention", Attention, self.place(attention)

    def write(self, network: UNet) -> dict[str, Tensor]:
        """The network's layers in the other code's names, attention's as matrices; labels are left out."""
        own, written = network.state_dict(), {}
        for ours, theirs, pointwise in self.layers(network):
            for leaf in "weight", "bias":
                tensor = own[f"{ours}.{leaf}"]
                tensor = tensor.flatten(1) if pointwise and leaf == "weight" else tensor
                for name, rows in zip(theirs, tensor.chunk(len(theirs)), strict=True):
                    written[f"{name}.{leaf}"] = rows.contiguous()
        return written

    def read(self, network: UNet, state: State) -> dict[str, Tensor]:
        """The other code's tensors in our names and shapes; the embedding of labels is left out.

        Raises:
            UserError: if a tensor is missing, of another size, or has no place in this network.
        """
        own, found, used = network.state_dict(), {}, set()
        for ours, theirs, _ in self.layers(network):
            for leaf in "weight", "bias":
                names, like = [f"{name}.{leaf}" for name in theirs], own[f"{ours}.{leaf}"]
                if missing := [name for name in names if name not in state]:
                    raise UserError(f"the weights lack {missing[0]}.")
                parts = [state[name] for name in names]
                rows = torch.cat([part.flatten(1) for part in parts] if like.ndim > 1 else parts)
                if rows.numel() != like.numel() or len(rows) != len(like):
                    shape = tuple(state[names[0]].shape)
                    raise UserError(f"{names[0]} is {shape}, which does not fit our {tuple(like.shape)}.")
                found[f"{ours}.{leaf}"] = rows.reshape(like.shape).to(like.dtype)
                used.update(names)
        if left := sorted(state.keys() - used):
            raise UserError(f"the weights hold {left[0]}, for which our U-Net has no place.")
        return found


def _walk(stages: nn.ModuleList) -> Iterator[tuple[Stage, int, int, bool]]:
    """Each stage with its level, its block within the level, and whether the level attends."""
    level = block = 0
    attends = False
    for stage in stages:
        assert isinstance(stage, Stage)
        attends = attends if stage.resamples else stage.attention is not None
        yield stage, level, block, attends
        level, block = (level + 1, 0) if stage.resamples else (level, block + 1)
