"""A network whose weights, gradients and averages are divided among the processes (FSDP2)."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from diffusion_lightning.networks.base import Staged

if TYPE_CHECKING:
    from torch.distributed.device_mesh import DeviceMesh


def is_sharded(network: nn.Module) -> bool:
    """Whether it was given to `shard`."""
    from torch.distributed.fsdp import FSDPModule

    return isinstance(network, FSDPModule)


def shard(network: nn.Module, mesh: "DeviceMesh", dtype: torch.dtype) -> None:
    """Shard a network in place over a mesh of processes, stage by stage.

    Before a stage computes, its weights are gathered. Where it multiplies in bfloat16 they travel as such,
    at half the traffic; the shards, and the sums of gradients, are float32.

    Source: Rajbhandari et al. 2020 (ZeRO, arXiv 1910.02054), stage 3.

    Args:
        network: on the device of this process.
        mesh: of one dimension.
        dtype: what the network multiplies in.
    """
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    policy = MixedPrecisionPolicy(cast_forward_inputs=False)  # times in timesteps need more than 8 bits
    if dtype == torch.bfloat16:
        policy = MixedPrecisionPolicy(dtype, torch.float32, cast_forward_inputs=False)
    for stage in network.stages() if isinstance(network, Staged) else ():
        fully_shard(stage, mesh=mesh, mp_policy=policy)
    # The EMA swaps its averages with the shards
    fully_shard(network, mesh=mesh, mp_policy=policy, reshard_after_forward=True)
