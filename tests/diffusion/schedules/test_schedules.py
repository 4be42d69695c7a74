import math

import pytest
import torch

from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from tests.support.oracles import table_of_alpha_bar

TS = (1, 2, 10, 21, 100, 1000, 4000)


@pytest.mark.parametrize("kind", [Linear, Cosine])
@pytest.mark.parametrize("T", TS)
def test_exact_at_the_timesteps(kind, T):
    schedule, t = kind(T), torch.arange(T + 1, dtype=torch.float64) / T
    expected = table_of_alpha_bar(kind, T)
    torch.testing.assert_close(schedule.alpha(t) ** 2, expected, rtol=0, atol=1e-12)
    torch.testing.assert_close(schedule.sigma(t) ** 2, 1 - expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("kind", [Linear, Cosine])
@pytest.mark.parametrize("T", TS)
def test_properties(kind, T):
    schedule, t = kind(T), torch.linspace(0, 1, 5001, dtype=torch.float64)
    log_alpha_bar = schedule.log_alpha_bar(t)
    assert log_alpha_bar[0] == 0 and log_alpha_bar.isfinite().all()
    assert (log_alpha_bar.diff() < 0).all()
    torch.testing.assert_close(schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2, torch.ones_like(t))
    torch.testing.assert_close(schedule.t_of_lam(schedule.lam(t)), t, rtol=0, atol=1e-9)


def test_sigma_does_not_cancel_at_small_t():
    schedule = Linear()
    t = 1e-12
    expected = math.sqrt(-math.log1p(-1e-4) * 1000 * t)  # σ² = -log ᾱ to first order
    assert schedule.sigma(t).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("T", [0, -1, 1.5, True, "x"])
def test_refuses_a_bad_T(T):
    with pytest.raises(UserError, match="T is"):
        Linear(T)


@pytest.mark.parametrize("ends", [(0.1, 0.01), (0.0, 0.02), (-1e-4, 0.02), (1e-4, 1.0)])
def test_refuses_bad_betas(ends):
    with pytest.raises(UserError, match="beta_start"):
        Linear(1000, *ends)


@pytest.mark.parametrize("s", [0, -0.008])
def test_refuses_a_bad_offset(s):
    with pytest.raises(UserError, match="s is"):
        Cosine(s=s)


@pytest.mark.parametrize("schedule", [Linear(), Cosine(T=7)], ids=lambda s: type(s).__name__)
def test_levels_are_the_schedules_own_numbers(schedule):
    """To the bit, alone or with the others of a walk."""
    times = torch.rand(20, dtype=torch.float64).tolist()
    for t, level in zip(times, schedule.levels(times), strict=True):
        assert level == schedule.level(t)
        assert (level.t, level.alpha, level.sigma) == (t, schedule.alpha(t).item(), schedule.sigma(t).item())
        assert (level.lam, level.log_alpha_bar) == (schedule.lam(t).item(), schedule.log_alpha_bar(t).item())
        assert level.kappa == pytest.approx(level.sigma / level.alpha, rel=1e-12)


@pytest.mark.parametrize("kind", [Linear, Cosine])
@pytest.mark.parametrize("T", TS)
def test_the_noise_between_two_times_is_the_products(kind, T):
    alpha_bar = table_of_alpha_bar(kind, T)
    levels = kind(T).levels([i / T for i in range(T + 1)])
    for i, j in {(0, T), (0, 1), (T - 1, T), (T // 3, T // 2), (T // 2, T // 2)}:
        expected = 1 - alpha_bar[j] / alpha_bar[i]
        assert levels[j].beta_from(levels[i]) == pytest.approx(expected.item(), rel=1e-8, abs=1e-15)


def test_the_noise_between_two_times_does_not_cancel():
    t, s = Linear().levels([1e-9 + 1e-12, 1e-9])
    expected = -math.log1p(-1e-4) * 1000 * (t.t - s.t)  # β = -Δ log ᾱ to first order
    assert t.beta_from(s) == pytest.approx(expected, rel=1e-6)


def test_schedules_do_not_share_their_tables():
    assert Linear(beta_end=0.01).alpha(0.5) != Linear(beta_end=0.02).alpha(0.5)
