"""State dicts of w86763777/pytorch-ddpm, the field's PyTorch copy of DDPM's code → a model of ours."""

import torch

from diffusion_lightning.exchange.from_state import imported, network_options, way_down
from diffusion_lightning.exchange.layouts import Layout, Place
from diffusion_lightning.exchange.origin import Asked, Imported, StateDict
from diffusion_lightning.networks.blocks import Attention, Downsample, ResidualBlock, Upsample

TABLE = "time_embedding.timembedding.0.weight"
"""The waves of every time, which are computed here."""


def _place(place: Place) -> str:
    name = f"{place.side}blocks.{place.stage}"
    return f"{name}.attn" if place.part is Attention else name


LAYOUT = Layout(
    fixed={
        "embedding.time.0": (None, "time_embedding.timembedding.1"),
        "embedding.time.2": (None, "time_embedding.timembedding.3"),
        "stem": (None, "head"),
        "middle.body": (ResidualBlock, "middleblocks.0"),
        "middle.attention": (Attention, "middleblocks.0.attn"),
        "middle_out.body": (ResidualBlock, "middleblocks.1"),
        "head_norm": (None, "tail.0"),
        "head": (None, "tail.2"),
    },
    place=_place,
    parts={
        ResidualBlock: {
            "norm1": ("block1.0",),
            "conv1": ("block1.2",),
            "embed": ("temb_proj.1",),
            "norm2": ("block2.0",),
            "conv2": ("block2.3",),
            "shortcut": ("shortcut",),
        },
        Attention: {
            "norm": ("group_norm",),
            "qkv": ("proj_q", "proj_k", "proj_v"),
            "project": ("proj",),
        },
        Downsample: {"": ("main",)},
        Upsample: {"": ("main",)},
    },
)


class PytorchDDPM(StateDict):
    """A file of its `train.py`, whose `ema_model` is taken, or a state dict alone."""

    def __call__(self, state: dict[str, torch.Tensor], asked: Asked) -> Imported | None:
        """The model of these tensors."""
        if TABLE not in state:
            return None
        state = {name: tensor for name, tensor in state.items() if name != TABLE}
        stages = way_down(state, "downblocks", "block1.2.weight", "attn.proj.weight")
        options = network_options(
            state["head.weight"], stages, asked, asked.num_classes or 0, num_heads=1, dropout=0.1
        )
        # Sine and cosine of a frequency stand side by side there
        waves = torch.arange(options["width"]).view(-1, 2).T.flatten()
        return imported(LAYOUT, state, options, asked, waves, None)
