"""State dicts of openai/improved-diffusion → a model of ours."""

import torch

from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange.from_state import imported, network_options, way_down
from diffusion_lightning.exchange.layouts import Layout, Place
from diffusion_lightning.exchange.origin import Asked, Imported, StateDict
from diffusion_lightning.networks.blocks import Attention, Downsample, ResidualBlock, Upsample

FIRST, LABELS = "input_blocks.0.0.weight", "label_emb.weight"


def _place(place: Place) -> str:
    if place.side == "down":
        name = f"input_blocks.{place.stage + 1}"
        return f"{name}.1" if place.part is Attention else f"{name}.0"
    # On the way up a resampling is a layer of the block before it
    up = place.part is Upsample
    name = f"output_blocks.{place.stage - place.level - up}"
    layer = 1 + place.attends if up else int(place.part is Attention)
    return f"{name}.{layer}"


LAYOUT = Layout(
    fixed={
        "embedding.time.0": (None, "time_embed.0"),
        "embedding.time.2": (None, "time_embed.2"),
        "stem": (None, "input_blocks.0.0"),
        "middle.body": (ResidualBlock, "middle_block.0"),
        "middle.attention": (Attention, "middle_block.1"),
        "middle_out.body": (ResidualBlock, "middle_block.2"),
        "head_norm": (None, "out.0"),
        "head": (None, "out.2"),
    },
    place=_place,
    parts={
        ResidualBlock: {
            "norm1": ("in_layers.0",),
            "conv1": ("in_layers.2",),
            "embed": ("emb_layers.1",),
            "norm2": ("out_layers.0",),
            "conv2": ("out_layers.3",),
            "shortcut": ("skip_connection",),
        },
        Attention: {"norm": ("norm",), "qkv": ("qkv",), "project": ("proj_out",)},
        Downsample: {"": ("op",)},
        Upsample: {"": ("conv",)},
    },
)


class ImprovedDiffusion(StateDict):
    """A file such as `ema_0.9999_500000.pt`, of a network without `use_scale_shift_norm`."""

    def __call__(self, state: dict[str, torch.Tensor], asked: Asked) -> Imported | None:
        """The model of these tensors."""
        if FIRST not in state or "time_embed.0.weight" not in state:
            return None
        _check(state, asked)
        state = dict(state)
        channels, label = state[FIRST].shape[1], state.pop(LABELS, None)
        if len(state["out.2.weight"]) == 2 * channels:  # learn_sigma: ε, then the variance's interpolation
            state |= {name: state[name][:channels] for name in ("out.2.weight", "out.2.bias")}
        stages = way_down(state, "input_blocks", "0.in_layers.2.weight", "1.qkv.weight")[1:]  # after the stem
        heads = asked.num_heads
        assert heads is not None
        num_classes = (asked.num_classes or 0) if label is None else len(label)
        options = network_options(state[FIRST], stages, asked, num_classes, num_heads=heads, dropout=0.0)
        state |= {name: _by_part(t, heads) for name, t in state.items() if ".qkv." in name}
        waves = torch.arange(options["width"]).roll(options["width"] // 2)  # all cosines first there
        return imported(LAYOUT, state, options, asked, waves, label)


def _check(state: dict[str, torch.Tensor], asked: Asked) -> None:
    embed, conv = state["input_blocks.1.0.emb_layers.1.weight"], state["input_blocks.1.0.in_layers.2.weight"]
    if len(embed) == 2 * len(conv):
        raise UserError(
            "the network scales and shifts its normalisations by the time (use_scale_shift_norm), and our "
            "U-Net adds the time; it cannot be expressed."
        )
    if any(".in_rest." in name or ".h_upd." in name or ".x_upd." in name for name in state):
        raise UserError("the network resamples within its blocks (resblock_updown), and our U-Net does not.")
    if asked.num_heads is None:
        raise UserError("a state dict does not say its number of heads; add num_heads=4, or what it is.")


def _by_part(rows: torch.Tensor, heads: int) -> torch.Tensor:
    """Rows that are ordered by head, then by q, k and v, as rows ordered by q, k and v, then by head."""
    return rows.unflatten(0, (heads, 3, -1)).transpose(0, 1).flatten(0, 2)
