"""`init=`: a new run starts from the averaged weights of another one."""

import logging
from typing import Any

from diffusion_lightning.checkpoints.reader import config_of, denoiser_weights, read_checkpoint
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.errors import UserError, first_load_error

log = logging.getLogger(__name__)

UNSEEN = "num_heads", "norm_groups", "norm_eps", "downsample_padding", "freq_shift"
"""Options of the U-Net that change what it computes, but not the shapes of its weights."""

LABELS = "network.embedding.label.weight"
"""The U-Net's row for each class, and the last for none."""


def initialize(
    denoiser: Denoiser, init: str, parameterization: dict[str, Any], network: dict[str, Any]
) -> None:
    """Load the averaged weights of another run; optimizer, counters and random streams start anew.

    What a network without classes has learned is where every class starts.

    Args:
        denoiser: whose network is loaded into.
        init: a checkpoint file or a run's folder.
        parameterization, network: of the new run, as its config has them.

    Raises:
        UserError: if there is no such checkpoint, its weights do not fit the network, or its output means
            something else.
    """
    checkpoint = read_checkpoint(init)
    before = config_of(checkpoint)["parameterization"]
    if before != parameterization:
        raise UserError(
            f"init={init} was trained with parameterization {before}, and this run has {parameterization}: "
            "the network's output would mean something else; choose the same parameterization."
        )
    weights, own = denoiser_weights(checkpoint), denoiser.state_dict()
    if LABELS in own and LABELS in weights and len(weights[LABELS]) == 1:
        weights[LABELS] = weights[LABELS].expand(len(own[LABELS]), -1)
    try:
        denoiser.load_state_dict(weights)
    except RuntimeError as error:
        raise UserError(f"init={init} does not fit this network: {first_load_error(error)}") from None
    there = config_of(checkpoint)["network"]
    if differ := [name for name in UNSEEN if name in there and there[name] != network.get(name, there[name])]:
        asked = " ".join(
            f"network.{name}={'null' if there[name] is None else there[name]}" for name in differ
        )
        log.warning("init=%s computes something else in this network; as before with %s", init, asked)
