import math

import pytest
import torch
from torch.distributions import Normal

from diffusion_lightning.diffusion.likelihood.flow_likelihood import FlowLikelihood
from diffusion_lightning.diffusion.noise import ImageNoise
from diffusion_lightning.diffusion.parameterizations import Eps, V
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from diffusion_lightning.images import from_uint8, to_uint8
from tests.support.oracles import (
    GaussianOracle,
    MixtureOracle,
    normal,
    sampling_model,
    slope,
    through_a_network,
)

SCHEDULES = [Linear(), Cosine()]
T_0 = 0.001


def draws(shape, seed=0):
    rng = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(shape, generator=rng, dtype=torch.float64)


def gaussian_images(oracle, t=T_0):
    return oracle.schedule.alpha(t) * oracle.mean + oracle.scale(t) * normal(4, 1, 3, 3)


def per_dim(logs):
    return logs.flatten(1).mean(1)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_is_fourth_order_and_ends_at_the_flows_own_density(schedule):
    oracle = GaussianOracle(schedule)
    x = gaussian_images(oracle)
    # N(0, I) at t = 1, carried to t_0 by the exact flow, which stretches each pixel alike
    stretch = math.log(oracle.scale(1.0) / oracle.scale(T_0))
    exact = per_dim(Normal(0.0, 1.0).log_prob(oracle.flow(x, T_0, 1.0)) + stretch)
    model = sampling_model(oracle)
    errors = [
        (FlowLikelihood(n).log_density(model, x, draws(x.shape)) / 9 - exact).abs().max().item()
        for n in (16, 32, 64)
    ]
    assert 3.8 < slope(errors) < 4.3
    assert errors[-1] < 5e-6


@pytest.mark.parametrize(("schedule", "far_from_pure_noise"), [(Linear(), 3e-3), (Cosine(), 5e-5)])
@pytest.mark.parametrize("parameterization", [Eps(), V()])
@pytest.mark.parametrize("t_0", [T_0, 0.1])
def test_is_the_density_of_the_marginal_at_t_0(schedule, far_from_pure_noise, parameterization, t_0):
    oracle = GaussianOracle(schedule)
    x = gaussian_images(oracle, t_0)
    model = sampling_model(through_a_network(oracle, parameterization))
    log_p = FlowLikelihood(t_0=t_0).log_density(model, x, draws(x.shape))
    exact = per_dim(Normal(schedule.alpha(t_0) * oracle.mean, oracle.scale(t_0)).log_prob(x))
    torch.testing.assert_close(log_p / 9, exact, rtol=0, atol=far_from_pure_noise)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_probes_average_to_the_density_of_a_mixture(schedule):
    oracle, n = MixtureOracle(schedule), 1000
    points = oracle.sample(4, T_0)
    x = points.repeat_interleave(n, 0)
    log_p = FlowLikelihood(40).log_density(sampling_model(oracle), x, draws(x.shape)).view(4, n)
    exact = oracle.log_densities(points, T_0).logsumexp(1) - math.log(2 * math.pi)
    error = log_p.std(1) / n**0.5
    assert ((log_p.mean(1) - exact).abs() < 4 * error + 5e-3).all()


def test_is_the_mean_over_its_probes():
    oracle = MixtureOracle(Linear())
    model, x = sampling_model(oracle), oracle.sample(8, T_0)
    noise = draws(x.shape)
    single = torch.stack([FlowLikelihood(10).log_density(model, x, noise) for _ in range(3)])
    assert single.std(0).max() > 0.01
    together = FlowLikelihood(10, probes=3).log_density(model, x, draws(x.shape))
    torch.testing.assert_close(together, single.mean(0))


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_the_levels_of_a_pixel_sum_to_one(schedule):
    levels = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
    model = sampling_model(GaussianOracle(schedule, mean=0.1, std=0.2))
    bits = FlowLikelihood(30).bits_per_dim(model, levels, draws((256, 1, 1, 1)))
    assert abs((2**-bits).sum() - 1) < 2e-3


def test_dequantises_uniformly_within_the_levels():
    pixels = to_uint8(0.3 * normal(50, 1, 8, 8))
    model, seen = sampling_model(GaussianOracle(Linear())), []

    class Seen(SamplingModel):
        def __call__(self, x, level):
            seen.append(x.detach())
            return super().__call__(x, level)

    model = Seen(model.denoiser, model.guidance, model.clamp)
    FlowLikelihood(1).bits_per_dim(model, pixels, ImageNoise(0, range(50), (1, 8, 8)))
    u = ((seen[0] - from_uint8(pixels)) * 127.5).flatten().sort().values
    uniform = torch.linspace(-0.5, 0.5, len(u))
    assert (u - uniform).abs().max() < 1.63 / len(u) ** 0.5  # Kolmogorov and Smirnov, 1 %


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_an_image_does_not_feel_its_batch_mates(schedule):
    pixels, flow = to_uint8(0.3 * normal(4, 2, 1, 1)), FlowLikelihood(10, probes=2)
    model = sampling_model(through_a_network(MixtureOracle(schedule), Eps()))
    together = flow.bits_per_dim(model, pixels, ImageNoise(0, range(4), (2, 1, 1)))
    alone = flow.bits_per_dim(model, pixels[2:3], ImageNoise(0, [2], (2, 1, 1)))
    assert together.dtype == torch.float64
    torch.testing.assert_close(together[2:3], alone, rtol=1e-5, atol=0)


def test_says_how_often_it_evaluates_the_model():
    model, flow, x, seen = sampling_model(GaussianOracle(Linear())), FlowLikelihood(3), normal(1, 1, 2, 2), []
    flow.log_density(model, x, draws(x.shape), lambda: seen.append(model.nfe))
    assert seen == list(range(1, flow.evaluations + 1)) and flow.evaluations == 12


def test_keeps_no_graph_and_needs_no_gradient_outside():
    mean = torch.tensor(0.3, requires_grad=True)
    model, x = sampling_model(GaussianOracle(Linear(), mean)), normal(1, 1, 2, 2)
    log_p = FlowLikelihood(3).log_density(model, x, draws(x.shape))
    assert not log_p.requires_grad
    with torch.no_grad():
        torch.testing.assert_close(FlowLikelihood(3).log_density(model, x, draws(x.shape)), log_p)


@pytest.mark.parametrize("bad", [{"steps": 0}, {"probes": 0}, {"t_0": 0.0}, {"t_0": 1.0}])
def test_refuses_a_bad_setting(bad):
    with pytest.raises(UserError, match=next(iter(bad))):
        FlowLikelihood(**bad)


def test_refuses_what_are_not_8_bit_images():
    with pytest.raises(UserError, match="uint8"):
        FlowLikelihood().bits_per_dim(
            sampling_model(GaussianOracle(Linear())), torch.zeros(1, 1, 2, 2), draws((1, 1, 2, 2))
        )
