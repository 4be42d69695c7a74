import pytest
import torch

from diffusion_lightning.data.batches import BatchSampler


def test_order_is_a_function_of_seed_and_epoch():
    def order(seed, epoch):
        batches = BatchSampler(100, 10, seed, flip=True)
        batches.set_epoch(epoch)
        return [torch.cat(parts) for parts in zip(*batches, strict=True)]

    again = order(0, 1)
    assert all(torch.equal(a, b) for a, b in zip(order(0, 1), again, strict=True))
    assert again[0].sort().values.equal(torch.arange(100))
    assert not order(0, 2)[0].equal(again[0]) and not order(1, 1)[0].equal(again[0])
    assert 20 < again[1].sum() < 80


def test_training_drops_the_rest_and_validation_keeps_it():
    sizes = {shuffle: [len(i) for i, _ in BatchSampler(21, 8, shuffle=shuffle)] for shuffle in (True, False)}
    assert sizes == {True: [8, 8], False: [8, 8, 5]}
    assert [len(i) for i, _ in BatchSampler(5, 8)] == [5]
    assert torch.cat([i for i, _ in BatchSampler(21, 8, shuffle=False)]).equal(torch.arange(21))


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("num_images", [1, 2, 3, 17, 33, 34, 36])
def test_no_process_gets_an_empty_batch_and_no_image_is_lost(num_images, shuffle):
    shards = [list(BatchSampler(num_images, 4, shuffle=shuffle, rank=r, world_size=4)) for r in range(4)]
    assert len({len(shard) for shard in shards}) == 1
    assert all(len(indices) for shard in shards for indices, _ in shard)
    seen = torch.cat([indices for shard in shards for indices, _ in shard])
    expected = 32 if shuffle and num_images > 32 else 16 if shuffle and num_images > 16 else num_images
    assert len(seen.unique()) == expected
    assert len(seen) == expected or num_images < 4
    for i, parts in enumerate(zip(*shards, strict=True)):
        count = sum(len(indices) for indices, _ in parts)
        assert count == BatchSampler(num_images, 4, shuffle=shuffle, world_size=4).images_in(i)


@pytest.mark.parametrize("num_images", [2, 5, 16, 37])
@pytest.mark.parametrize("shuffle", [True, False])
def test_two_processes_see_the_batches_of_one(num_images, shuffle):
    one = list(BatchSampler(num_images, 8, shuffle=shuffle))
    two = [list(BatchSampler(num_images, 4, shuffle=shuffle, rank=r, world_size=2)) for r in (0, 1)]
    assert len(one) == len(two[0]) == len(two[1]) > 0
    for whole, *parts in zip(one, *two, strict=True):
        assert whole[0].sort().values.equal(torch.cat([p[0] for p in parts]).sort().values)
