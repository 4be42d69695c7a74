import contextlib
import math
from dataclasses import dataclass, replace

import pytest
import torch

from diffusion_lightning.diffusion.schedules import BetaSchedule, Cosine, Linear, Schedule
from diffusion_lightning.diffusion.schedules.base import MOST_SIGNAL
from diffusion_lightning.errors import UserError
from tests.support.oracles import table_of_alpha_bar

TS = (5, 10, 21, 100, 1000, 4000)


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
    assert Linear(beta_end=0.03).alpha(0.5) != Linear(beta_end=0.02).alpha(0.5)


@dataclass(frozen=True)
class Constant(BetaSchedule):
    """Somebody's own table."""

    beta: float = 0.02
    given: int = 0

    def betas(self):
        return torch.full((self.T + self.given,), self.beta, dtype=torch.float64)


@dataclass(frozen=True)
class Exponential(Schedule):
    """Somebody's own closed form, which no T changes."""

    rate: float = 12.0

    def log_alpha_bar(self, t):
        return -self.rate * torch.as_tensor(t, dtype=torch.float64)


@pytest.mark.parametrize(
    ("kind", "values", "advice"),
    [
        (Linear, {"T": 1}, "T must be at least 3"),
        (Linear, {"T": 2}, "T must be at least 3"),
        (Linear, {"beta_end": 0.012}, "it must add more noise"),
        (Linear, {"beta_end": 1e-4}, "it must add more noise"),
        *((Cosine, {"T": T}, "T must be at least 5") for T in (1, 2, 3, 4)),
        (Constant, {"beta": 0.005}, "it must add more noise"),
        (Exponential, {"rate": 5.0, "T": 3}, "it must add more noise"),
    ],
)
def test_a_schedule_that_does_not_end_in_pure_noise_is_refused_when_it_is_made(kind, values, advice):
    """A walk starts from pure noise, which the network would never have seen."""
    with pytest.raises(UserError, match=rf"{kind.__name__}\(.* of the image at t = 1, .*: {advice}\.$"):
        kind(**values)
    with pytest.raises(UserError, match=advice):
        replace(kind(), **values)


@pytest.mark.parametrize("kind", [Linear, Cosine, Constant, Exponential])
def test_whatever_is_accepted_ends_in_pure_noise(kind):
    accepted = 0
    for T in [*range(1, 130), 500, 999, 4000, 10_000]:
        with contextlib.suppress(UserError):
            assert kind(T).alpha(1.0) <= MOST_SIGNAL
            accepted += 1
    assert accepted > 3


def test_the_promise_of_the_linear_schedule():
    alpha_bar = [float(Linear(T).alpha(1.0)) ** 2 for T in [*range(50, 300), 999, 4000, 100_000]]
    assert min(alpha_bar) > 7e-6 and max(alpha_bar) < 5e-5
    assert all(Linear(T).alpha(1.0) ** 2 < 7e-6 for T in range(3, 48))
    assert Linear(20).betas().max() == 0.999 > Linear(21).betas().max()


@pytest.mark.parametrize(
    "make",
    [
        lambda: Constant(beta=1.0),
        lambda: Constant(beta=-0.1),
        lambda: Constant(beta=math.nan),
        lambda: Constant(given=1),
        lambda: Cosine(s=1e14),  # where neighbouring times have one cosine
        lambda: Cosine(s=1e17),
    ],
)
def test_a_table_of_no_betas_is_refused(make):
    with pytest.raises(UserError, match=r"β from .*; it must have T = 1000 of them, all between 0 and 1"):
        make()
