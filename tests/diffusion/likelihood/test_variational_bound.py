import itertools
import math
from dataclasses import replace

import pytest
import torch
from torch.distributions import Normal, kl_divergence

from diffusion_lightning.diffusion.grids import LogSNR, Uniform
from diffusion_lightning.diffusion.likelihood.variational_bound import log_bin, variational_bound
from diffusion_lightning.diffusion.noise import ImageNoise
from diffusion_lightning.diffusion.parameterizations import Eps
from diffusion_lightning.diffusion.samplers import DDPM
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from diffusion_lightning.images import from_uint8, to_uint8
from tests.support.oracles import GaussianOracle, normal, sampling_model, through_a_network

SCHEDULES = [Linear(), Cosine()]
MEAN, STD = 0.1, 0.25
TIMES = [1.0, 0.8, 0.5, 0.2, 0.05]


def draw(*shape):
    """8-bit images of the Gaussian, whose ends are 3.6 standard deviations away."""
    return to_uint8(MEAN + STD * normal(*shape, seed=1))


def gaussian(schedule):
    return sampling_model(GaussianOracle(schedule, MEAN, STD))


def draws(shape, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(shape, generator=rng, dtype=torch.float64)


def per_dim(nats):
    return nats.flatten(1).mean(1) / math.log(2)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_step_is_the_divergence_between_ddpms_own_steps(schedule):
    pixels, model = draw(3, 1, 4, 4), gaussian(schedule)
    x0, eps = from_uint8(pixels).double(), normal(3, 1, 4, 4)
    t, s = 0.6, 0.4
    bound = variational_bound(model, pixels, lambda: eps, [t, s])
    prediction = model(schedule.alpha(t) * x0 + schedule.sigma(t) * eps, t)
    truth = replace(prediction, x0=x0)
    q, p, further = (
        DDPM().step(model, known, schedule.level(s), lambda: noise, ())
        for known, noise in ((truth, 0 * eps), (prediction, 0 * eps), (truth, torch.ones_like(eps)))
    )
    kl = kl_divergence(Normal(q, further - q), Normal(p, further - q))
    torch.testing.assert_close(bound.steps[:, 0], per_dim(kl))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_steps_expectation_is_the_posterior_variance(schedule):
    pixels = draw(64, 1, 16, 16)
    steps = variational_bound(gaussian(schedule), pixels, draws(pixels.shape), TIMES).steps
    alpha, sigma = schedule.alpha(torch.tensor(TIMES)), schedule.sigma(torch.tensor(TIMES))
    variance = STD**2 * sigma**2 / (alpha**2 * STD**2 + sigma**2)
    expected = (alpha**2 / sigma**2).diff() / 2 * variance[:-1] / math.log(2)
    error = steps.std(0) / len(steps) ** 0.5
    assert (error < 0.02 * expected).all()
    assert ((steps.mean(0) - expected).abs() < 4 * error).all()


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("t", [1.0, 0.5])
def test_the_prior_is_the_divergence_from_pure_noise(schedule, t):
    pixels = draw(3, 1, 4, 4)
    bound = variational_bound(gaussian(schedule), pixels, draws(pixels.shape), [t, 0.01])
    noisy = Normal(schedule.alpha(t) * from_uint8(pixels).double(), schedule.sigma(t))
    kl = kl_divergence(noisy, Normal(torch.zeros((), dtype=torch.float64), 1.0))
    torch.testing.assert_close(bound.prior, per_dim(kl), rtol=1e-5, atol=0)


def quadrature(pixel, mean, sigma):
    """log of the integral of N(mean, σ²) over the pixel's level, from its logarithms."""
    low, high = ((pixel + edge) / 127.5 - 1 for edge in (-0.5, 0.5))
    low = min(high, mean) - 10 * sigma if pixel == 0 else low
    high = max(low, mean) + 10 * sigma if pixel == 255 else high
    x = torch.linspace(low, high, 100_001, dtype=torch.float64)
    x = (x[1:] + x[:-1]) / 2
    return Normal(mean, sigma).log_prob(x).logsumexp(0) + math.log((high - low) / len(x))


@pytest.mark.parametrize("sigma", [0.006, 0.04, 0.3])
def test_the_decoder_integrates_each_level(sigma):
    cases = list(itertools.product([0, 1, 128, 254, 255], [-1.3, -1.0, 0.003, 0.9, 1.2]))
    pixels, means = (torch.tensor(column) for column in zip(*cases, strict=True))
    actual = log_bin(pixels.to(torch.uint8), means, sigma)
    expected = torch.stack([quadrature(k, float(mean), sigma) for k, mean in zip(pixels, means, strict=True)])
    torch.testing.assert_close(actual, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sigma", [1e-4, 0.01, 1.0])
def test_the_levels_of_a_pixel_sum_to_one(sigma):
    levels, means = torch.arange(256, dtype=torch.uint8)[:, None], torch.tensor([-9.0, -1.0, 0.3, 1.0, 9.0])
    logs = log_bin(levels, means, sigma)
    assert logs.isfinite().all()
    torch.testing.assert_close(logs.logsumexp(0), torch.zeros(5, dtype=torch.float64), rtol=0, atol=1e-12)


def gaps(model, grid, all_steps):
    """Bits per dimension between the bound and the truth, (steps, B)."""
    pixels = draw(64, 1, 16, 16)
    truth = -per_dim(log_bin(pixels, torch.tensor(MEAN), STD))
    bounds = [
        variational_bound(model, pixels, draws(pixels.shape), grid(model.schedule, n)).total
        for n in all_steps
    ]
    return torch.stack(bounds) - truth


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_bound_closes_on_the_truth_as_steps_grow(schedule):
    gap = gaps(gaussian(schedule), LogSNR(), [50, 200, 800]).mean(1)
    assert (gap[:-1] > 2.5 * gap[1:]).all()  # first order
    assert 0 < gap[-1] < 0.1


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_no_walk_is_below_the_truth(schedule):
    gap = gaps(gaussian(schedule), Uniform(), [1, 10, 100, 1000])
    assert (gap.mean(1) > 10 * gap.std(1) / gap.shape[1] ** 0.5).all()


def test_every_timestep_is_in_the_bound_unless_times_are_given():
    schedule, pixels, seen = Linear(20), draw(2, 1, 4, 4), []
    model = gaussian(schedule)
    bound = variational_bound(model, pixels, draws(pixels.shape), progress=lambda: seen.append(model.nfe))
    assert bound.steps.shape == (2, 19) and seen == list(range(1, 21))
    given = variational_bound(model, pixels, draws(pixels.shape), [i / 20 for i in range(20, 0, -1)])
    torch.testing.assert_close(bound.total, given.total)
    assert variational_bound(model, pixels, draws(pixels.shape), [0.05]).steps.shape == (2, 0)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_an_image_does_not_feel_its_batch_mates(schedule):
    pixels = draw(4, 1, 4, 4)
    model = sampling_model(through_a_network(GaussianOracle(schedule, MEAN, STD), Eps()))
    together = variational_bound(model, pixels, ImageNoise(0, range(4), (1, 4, 4)), TIMES)
    alone = variational_bound(model, pixels[2:3], ImageNoise(0, [2], (1, 4, 4)), TIMES)
    assert together.total.dtype == torch.float64
    torch.testing.assert_close(together.total[2:3], alone.total, rtol=1e-6, atol=0)


def test_keeps_no_graph():
    pixels, mean = draw(1, 1, 2, 2), torch.tensor(MEAN, requires_grad=True)
    model = sampling_model(GaussianOracle(Linear(), mean, STD))
    assert not variational_bound(model, pixels, draws(pixels.shape), TIMES).total.requires_grad


@pytest.mark.parametrize("pixels", [torch.zeros(1, 1, 2, 2), torch.zeros(1, 2, 2, dtype=torch.uint8)])
def test_refuses_what_are_not_8_bit_images(pixels):
    with pytest.raises(UserError, match="uint8"):
        variational_bound(gaussian(Linear()), pixels, draws(pixels.shape))


@pytest.mark.parametrize("times", [[], [0.2, 0.5], [0.5, 0.5], [1.2, 0.5], [0.5, 0.0]])
def test_refuses_times_that_do_not_fall(times):
    with pytest.raises(UserError, match="times"):
        variational_bound(gaussian(Linear()), draw(1, 1, 2, 2), draws((1, 1, 2, 2)), times)
