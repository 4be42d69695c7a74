"""Shards of two processes."""

import pytest
import torch
from torch import distributed as dist

from diffusion_lightning.networks import UNet
from diffusion_lightning.training.sharding import is_sharded, shard
from tests.support.networks import perturb
from tests.support.runs import start_world


def network():
    torch.manual_seed(0)
    return perturb(UNet(1, 8, 10, 8, (1, 2), 1))


def loss(net, images):
    x = torch.randn(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))[images]
    return net(x, torch.full((len(x),), 500.0), torch.arange(4)[images]).square().mean()


def sharded(folder):
    dist.init_process_group("gloo")
    net = network()
    shard(net, torch.device("cpu"), torch.float32)
    assert is_sharded(net)
    loss(net, slice(dist.get_rank(), None, 2)).backward()
    held = sum(p.to_local().numel() for p in net.parameters())
    gradients = {name: p.grad.full_tensor() for name, p in net.named_parameters()}
    torch.save((held, gradients), folder / f"{dist.get_rank()}.pt")
    dist.destroy_process_group()


def test_each_process_holds_half_and_gets_the_gradient_of_all_images(tmp_path):
    processes = start_world(2, sharded, tmp_path)
    for process in processes:
        process.join()
    net = network()
    loss(net, slice(None)).backward()
    parts = [torch.load(tmp_path / f"{rank}.pt") for rank in range(2)]
    total = sum(p.numel() for p in net.parameters())
    assert sum(held for held, _ in parts) == total
    assert max(held for held, _ in parts) == pytest.approx(total / 2, rel=0.05)
    for _, gradients in parts:
        for name, p in net.named_parameters():
            torch.testing.assert_close(gradients[name], p.grad, rtol=1e-3, atol=1e-6)
