from fractions import Fraction

import pytest
import torch

from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.diffusion.grids import LAM_MIN, Karras, LogSNR, Quadratic, Uniform
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from tests.support.configs import composed, names

GRIDS = [
    instantiate(composed("sample", f"sampler/grid={name}").sampler.grid) for name in names("sampler/grid")
]
SCHEDULES = [Linear(), Cosine(), Linear(20), Cosine(20), Cosine(s=10.0), Linear(beta_end=0.2)]


@pytest.mark.parametrize("grid", GRIDS, ids=repr)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("steps", [1, 2, 7, 50, 1000])
@pytest.mark.parametrize("t_start", [1.0, 0.5])
def test_times_fall_from_t_start_to_above_zero(grid, schedule, steps, t_start):
    times = torch.tensor(grid(schedule, steps, t_start), dtype=torch.float64)
    assert len(times) == steps
    if times[0] != t_start:  # only where that is noisier than a step is worth
        assert schedule.lam(t_start) < LAM_MIN
        assert schedule.lam(times[0]).item() == pytest.approx(LAM_MIN)
    assert (times.diff() < 0).all() and times[-1] > 0


@pytest.mark.parametrize("grid", GRIDS, ids=repr)
@pytest.mark.parametrize("schedule", SCHEDULES, ids=repr)
@pytest.mark.parametrize("steps", [1, 5, 50, 1000])
def test_no_walk_starts_where_there_is_more_noise_than_pure_noise(grid, schedule, steps):
    assert schedule.lam(grid(schedule, steps)[0]) > LAM_MIN - 1e-6


@pytest.mark.parametrize("steps", [1, 3, 7, 10, 30, 49, 50, 250, 999, 1000])
@pytest.mark.parametrize("t_start", [1.0, 0.1, 0.3, 0.5, 0.6, 0.7, 1 / 3])
def test_uniform_times_are_correctly_rounded(steps, t_start):
    """And so equal to the same time written by hand."""
    exact = [float(Fraction(t_start) * i / steps) for i in range(steps, 0, -1)]
    assert Uniform()(Linear(), steps, t_start) == exact


@pytest.mark.parametrize("grid", [grid for grid in GRIDS if grid != Uniform()], ids=repr)
@pytest.mark.parametrize("T", [50, 999, 1000])
@pytest.mark.parametrize("t_start", [1.0, 0.3, 0.7])
def test_the_ends_of_a_grid_are_the_times_themselves(grid, T, t_start):
    for steps in (2, 7, 20):
        times = grid(Linear(T), steps, t_start)
        assert (times[0], times[-1]) in {(t_start, 1 / T), (grid(Linear(T), 1, t_start)[0], 1 / T)}


def test_a_start_may_be_off_by_a_rounding():
    assert Uniform()(Linear(), 2, 1.0000000000000002) == [1.0, 0.5]
    with pytest.raises(UserError, match=r"t_start is 1\.0001"):
        Uniform()(Linear(), 2, 1.0001)


def test_spacings():
    schedule = Linear()
    times = {type(g): torch.tensor(g(schedule, 20), dtype=torch.float64) for g in GRIDS}
    torch.testing.assert_close(times[Uniform], torch.arange(20, 0, -1).double() / 20)
    for equal in (
        times[Quadratic].sqrt(),
        schedule.lam(times[LogSNR]),
        torch.exp(-schedule.lam(times[Karras])) ** (1 / 7),
    ):
        torch.testing.assert_close(equal.diff(), equal.diff().mean().expand(19))
    for kind in (Quadratic, LogSNR, Karras):
        assert times[kind][-1].item() == pytest.approx(1 / 1000)


@pytest.mark.parametrize("grid", GRIDS, ids=repr)
def test_no_step_is_spent_where_all_is_noise(grid):
    assert grid(Linear(), 10)[0] == 1.0
    # Lu et al. 2022, appendix D.1: the cosine schedule starts at t = 0.9946, where λ is about -4.8
    assert grid(Cosine(), 10)[0] == pytest.approx(0.9946, abs=2e-3)
    assert grid(Cosine(), 10, t_start=0.5)[0] == 0.5


@pytest.mark.parametrize("grid", [Quadratic(), LogSNR(), Karras()])
def test_a_late_start_ends_at_the_first_timestep_too(grid):
    assert grid(Linear(), 50, 0.5)[-1] == pytest.approx(1 / 1000)


@pytest.mark.parametrize("steps", [0, -3, 2.5, True])
def test_refuses_bad_steps(steps):
    with pytest.raises(UserError, match="steps"):
        Uniform()(Linear(), steps)


@pytest.mark.parametrize("t_start", [0, -0.1, 1.1])
def test_refuses_a_bad_start(t_start):
    with pytest.raises(UserError, match="t_start"):
        Uniform()(Linear(), 10, t_start)
