import pytest
import torch

from diffusion_lightning.diffusion.noise import ImageNoise, box_muller, derive_seed, seed_generators


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
    assert len({derive_seed(a, b) for a in range(10) for b in range(10)}) == 100
    assert (
        len(
            {
                derive_seed(5),
                derive_seed(5, 0),
                derive_seed(5, 0, 0),
                derive_seed(0, 5),
                derive_seed(2**32, 0),
                derive_seed(0, 1),
            }
        )
        == 6
    )


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 5, 7), (1, 1, 1), (3, 32, 32)])
def test_any_shape_in_any_batch(shape):
    """The largest is made normal in several parts."""
    whole = ImageNoise(3, range(70), shape)()
    assert whole.shape == (70, *shape) and whole.dtype == torch.float32
    for start, end in ((0, 1), (1, 8), (5, 69)):
        assert torch.equal(ImageNoise(3, range(start, end), shape)(), whole[start:end])


def test_box_muller_is_normal_out_into_the_tails():
    """Against the distribution function: Kolmogorov-Smirnov, and the share beyond 4 standard deviations."""
    bits = torch.randint(-(2**31), 2**31, (500, 4000), generator=torch.Generator().manual_seed(0))
    z = box_muller(bits.to(torch.int32)).double().flatten().sort().values
    cdf = torch.special.ndtr(z)
    steps = torch.arange(len(z) + 1, dtype=torch.float64) / len(z)
    distance = torch.maximum((steps[1:] - cdf).abs(), (cdf - steps[:-1]).abs()).max()
    assert distance < 1.63 / len(z) ** 0.5  # 1 %
    beyond = (z.abs() > 4).sum().item()
    assert abs(beyond - 6.334e-5 * len(z)) < 4 * (6.334e-5 * len(z)) ** 0.5


def test_box_muller_of_the_extreme_bits_is_finite():
    extremes = torch.tensor([[0, -(2**31), 2**31 - 1, 1, -1, 0]], dtype=torch.int32)
    z = box_muller(extremes)
    assert z.isfinite().all() and z.abs().max() < 7


def test_seeding_draws_as_torch_does():
    torch.manual_seed(5)
    expected = torch.rand(3)
    seed_generators(5, torch.device("cpu"))
    assert torch.equal(torch.rand(3), expected)


def test_noise_for_a_gpu_is_copied_from_pinned_memory(monkeypatch):
    done = []
    monkeypatch.setattr(torch.Tensor, "pin_memory", lambda x: done.append("pinned") or x)
    monkeypatch.setattr(torch.Tensor, "to", lambda x, device, **options: done.append((device, options)) or x)
    for device in "cuda", "cpu":
        ImageNoise(0, [0], (1, 2, 2), device)()
    later = {"non_blocking": True}
    assert done == ["pinned", (torch.device("cuda"), later), (torch.device("cpu"), later)]
