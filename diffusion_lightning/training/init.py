"""`init=`: a new run starts from the averaged weights of another one."""

import logging
from typing import Any

from diffusion_lightning.checkpoints.reader import config_of, denoiser_weights, read_checkpoint
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.errors import UserError, first_load_error

log = logging.getLogger(__name__)

UNSEEN = "num_heads", "norm_groups", "norm_eps", "downsample_padding", "freq_shift"
"""Options of the U-Net that change what it computes, but not the shapes of its weights."""


def initialize(
    denoiser: Denoiser, init: str, parameterization: dict[str, Any], network: dict[str, Any]
) -> None:
    """Load the averaged weights of another run; optimizer, counters and random streams start anew.

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
    try:
        denoiser.load_state_dict(denoiser_weights(checkpoint))
    except RuntimeError as error:
        raise UserError(f"init={init} does not fit this network: {first_load_error(error)}") from None
    there = config_of(checkpoint)["network"]
    if differ := [name for name in UNSEEN if name in there and there[name] != network.get(name, there[name])]:
        asked = " ".join(
            f"network.{name}={'null' if there[name] is None else there[name]}" for name in differ
        )
        log.warning("init=%s computes something else in this network; as before with %s", init, asked)
