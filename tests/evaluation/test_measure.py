"""In which blocks images are measured."""

from contextlib import ExitStack
from unittest.mock import patch

import pytest
import torch
from torch import nn

from diffusion_lightning import distributed
from diffusion_lightning.evaluation import measure
from diffusion_lightning.evaluation.inputs import given_images
from diffusion_lightning.evaluation.measure import ImageBlock, collect_statistics, regrouped


def drawn(n, world, batch):
    """What each process draws, as `generate_sharded` divides it, and what `regrouped` makes of it."""
    step = batch * world
    for rank in range(world):
        with ExitStack() as stack:
            for module in distributed, measure:
                stack.enter_context(patch.object(module, "world_size", lambda: world))
            stack.enter_context(patch.object(distributed, "rank", lambda rank=rank: rank))
            blocks = []
            for start in range(0, n, step):
                block = range(start, min(start + step, n))
                mine = torch.tensor(distributed.shard(block, batch))
                blocks.append(ImageBlock(mine.view(-1, 1), mine, len(block)))
            yield list(regrouped(blocks, 64))


@pytest.mark.parametrize("n", [1, 63, 64, 100, 1000, 1001])
@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("batch", [7, 64, 100])
def test_every_image_comes_once_and_in_order(n, world, batch):
    processes = list(drawn(n, world, min(batch, -(-n // world))))
    seen = []
    for blocks in zip(*processes, strict=True):
        totals = {block.total for block in blocks}
        assert len(totals) == 1 and len({len(block.pixels) for block in blocks}) == 1
        seen += torch.stack([block.labels for block in blocks], 1).flatten()[: totals.pop()].tolist()
        assert all(torch.equal(block.pixels[:, 0], block.labels) for block in blocks)
    assert seen == list(range(n))
    assert all(len(block.pixels) == 64 for block in processes[0][:-1])


class Counting(nn.Module):
    computed = 0

    def forward(self, pixels):
        self.computed += len(pixels)
        return pixels.flatten(1).float()


def test_few_images_of_black_are_computed(monkeypatch):
    """In blocks of 100 it would be 28 for every block."""
    pixels, extractor = torch.randint(0, 256, (1000, 1, 2, 2), dtype=torch.uint8), Counting()
    blocks = (ImageBlock(part, torch.zeros(len(part)), len(part)) for part in pixels.split(100))
    images = collect_statistics(blocks, 1000, extractor)
    assert extractor.computed == 1024 and torch.equal(images.pixels, pixels)
    again = collect_statistics(given_images(pixels, torch.zeros(1000)), 1000, Counting())
    torch.testing.assert_close(again.statistics.covariance, images.statistics.covariance)
