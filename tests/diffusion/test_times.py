import math

import pytest
import torch

from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.diffusion.times import LaplaceTimes, LogNormalTimes, UniformTimes
from diffusion_lightning.errors import UserError

N = 40_000
BOUND = 1.95 / N**0.5
"""Kolmogorov and Smirnov's distance of N draws at a level of 0.1 %."""


def normal_cdf(z):
    return 0.5 * (1 + math.erf(z / 2**0.5))


def laplace_cdf(z):
    return 0.5 * math.exp(z) if z < 0 else 1 - 0.5 * math.exp(-z)


def distance(x, cdf):
    """The largest difference between the empirical and the exact distribution function."""
    x = x.sort().values.tolist()
    return max(abs(cdf(value) - i / len(x)) for i, value in enumerate(x))


@pytest.mark.parametrize("schedule", [Linear(), Cosine()], ids=["linear", "cosine"])
@pytest.mark.parametrize(
    ("times", "cdf_of_ln_kappa"),
    [
        (LogNormalTimes(), lambda x: normal_cdf((x + 1.2) / 1.2)),
        (LogNormalTimes(-0.4, 1.0), lambda x: normal_cdf(x + 0.4)),
        (LaplaceTimes(), lambda x: laplace_cdf(-2 * -x / 0.5)),
        (LaplaceTimes(1.0, 2.0), lambda x: 1 - laplace_cdf((-2 * x - 1.0) / 2.0)),
    ],
    ids=["edm", "edm2", "laplace", "wide laplace"],
)
def test_the_noise_level_is_distributed_as_said(times, cdf_of_ln_kappa, schedule):
    torch.manual_seed(0)
    t = times(schedule, N)
    assert t.dtype == torch.float64 and t.min() >= 1 / schedule.T and t.max() <= 1
    low, high = (-schedule.lam(bound).item() for bound in (1 / schedule.T, 1.0))
    whole = cdf_of_ln_kappa(high) - cdf_of_ln_kappa(low)

    def cdf(x):
        return (cdf_of_ln_kappa(x) - cdf_of_ln_kappa(low)) / whole

    assert distance(-schedule.lam(t), cdf) < BOUND


def test_ln_kappa_of_mean_0_and_std_1_is_logit_normal_in_rectified_flows_time():
    """x = (1 - t) x0 + t ε has κ = t/(1 - t); Stable Diffusion 3 draws t = sigmoid(N(0, 1))."""
    schedule = Cosine()
    torch.manual_seed(0)
    t = torch.sigmoid(-schedule.lam(LogNormalTimes(0.0, 1.0)(schedule, N)))
    assert distance(t, lambda x: normal_cdf(math.log(x / (1 - x)))) < BOUND


def test_uniform_times_are_the_timesteps():
    torch.manual_seed(0)
    t = UniformTimes()(Linear(5), N)
    counts = torch.bincount((5 * t).long(), minlength=6)
    assert (5 * t == (5 * t).round()).all() and counts[0] == 0
    assert (counts[1:] - N / 5).abs().max() < 4 * (N / 5) ** 0.5


@pytest.mark.parametrize("make", [lambda: LogNormalTimes(std=0), lambda: LaplaceTimes(scale=-1)])
def test_refuses_a_spread_of_nothing(make):
    with pytest.raises(UserError, match="must be positive"):
        make()
