"""The processes of one run: which of them handles which images, and how all get the results."""

import functools
from collections.abc import Sequence

import torch
from torch import Tensor
from torch import distributed as dist


def world_size() -> int:
    """Number of processes; 1 without torch.distributed."""
    return dist.get_world_size() if _distributed() else 1


def rank() -> int:
    """Number of this process."""
    return dist.get_rank() if _distributed() else 0


def shard(block: Sequence[int], each: int | None = None) -> list[int]:
    """This process's shard of a block of image numbers: every W-th, equally many for each of W processes.

    Where the block ends too early, numbers from its beginning fill up the shard; `gather_in_order` leaves
    them out again.

    Args:
        block: the numbers of all processes.
        each: size of a shard; None is the smallest that covers the block.
    """
    world = world_size()
    each = each or -(-len(block) // world)
    return [block[i % len(block)] for i in range(rank(), each * world, world)]


def gather_in_order(part: Tensor, total: int) -> Tensor:
    """The results (total, …) of a block, in its order, from each process's results (B, …) of its shard."""
    if world_size() == 1 or part.numel() == 0:
        return part.new_empty(total, *part.shape[1:]) if part.numel() == 0 else part[:total]
    # NCCL moves tensors between GPUs only
    mine = part.contiguous().to("cuda" if dist.get_backend() == "nccl" else "cpu")
    parts = [torch.empty_like(mine) for _ in range(world_size())]
    dist.all_gather(parts, mine)
    return torch.stack(parts, 1).flatten(0, 1)[:total].to(part.device)


def true_anywhere(condition: bool) -> bool:
    """Whether the condition holds in any process; all get the same answer, and no GPU is waited for."""
    if world_size() == 1:
        return condition
    holds = torch.tensor(int(condition))
    dist.all_reduce(holds, dist.ReduceOp.MAX, _hosts(dist.group.WORLD))
    return bool(holds)


@functools.cache
def _hosts(world: "dist.ProcessGroup") -> "dist.ProcessGroup":
    """All processes, with messages from host to host: those between GPUs wait for all work before them."""
    group = dist.new_group(backend="gloo")
    assert isinstance(group, dist.ProcessGroup)  # every process is a member
    return group


def _distributed() -> bool:
    return dist.is_available() and dist.is_initialized()
