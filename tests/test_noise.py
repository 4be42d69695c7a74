import torch

from diffusion_lightning.noise import ImageNoise, key


def draws(batch_size, count=16, seed=0, num_draws=3):
    """All draws of images 0 … count - 1, made in batches: (draws, count, 1, 4, 4)."""
    parts = []
    for start in range(0, count, batch_size):
        noise = ImageNoise(seed, range(start, min(start + batch_size, count)), (1, 4, 4))
        parts.append(torch.stack([noise() for _ in range(num_draws)]))
    return torch.cat(parts, dim=1)


def test_an_image_keeps_its_noise_in_any_batch():
    assert all(torch.equal(draws(16), draws(size)) for size in (1, 4, 7))


def test_seeds_images_and_draws_differ():
    noise = torch.cat([draws(16), draws(16, seed=1)]).flatten(0, 1).flatten(1)
    assert len(noise.unique(dim=0)) == 2 * 3 * 16


def test_it_is_standard_normal():
    x = draws(64, count=2000)
    assert abs(x.mean()) < 4 / x.numel() ** 0.5
    assert abs(x.var() - 1) < 4 * (2 / x.numel()) ** 0.5
    assert abs((x[0] * x[1]).mean()) < 4 / x[0].numel() ** 0.5


def test_keys_differ():
    assert len({key(a, b) for a in range(10) for b in range(10)}) == 100
    assert len({key(5), key(5, 0), key(5, 0, 0), key(0, 5), key(2**32, 0), key(0, 1)}) == 6
