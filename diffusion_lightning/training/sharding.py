"""A network whose weights, gradients and averages are divided among the processes (FSDP2)."""

import torch
from torch import nn

from diffusion_lightning.distributed import world_size
from diffusion_lightning.networks.base import Staged


def is_sharded(network: nn.Module) -> bool:
    """Whether it was given to `shard`."""
    from torch.distributed.fsdp import FSDPModule

    return isinstance(network, FSDPModule)


def shard(network: nn.Module, device: torch.device, dtype: torch.dtype) -> None:
    """Shard a network in place over all processes, stage by stage.

    Before a stage computes, its weights are gathered. Where it multiplies in bfloat16 they travel as such,
    at half the traffic; the shards, and the sums of gradients, are float32.

    Source: Rajbhandari et al. 2020 (ZeRO, arXiv 1910.02054), stage 3.

    Args:
        network: what is sharded.
        device: of this process.
        dtype: what the network multiplies in.
    """
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    # Without a mesh there would be one of GPUs, and on one node Lightning's own has a single process
    mesh = init_device_mesh(device.type, (world_size(),))
    policy = MixedPrecisionPolicy(cast_forward_inputs=False)  # times in timesteps need more than 8 bits
    if dtype == torch.bfloat16:
        policy = MixedPrecisionPolicy(dtype, torch.float32, cast_forward_inputs=False)
    for stage in network.stages() if isinstance(network, Staged) else ():
        fully_shard(stage, mesh=mesh, mp_policy=policy)
    # The EMA swaps its averages with the shards
    fully_shard(network, mesh=mesh, mp_policy=policy, reshard_after_forward=True)
