import pytest
import torch

from diffusion_lightning.diffusion.grids import Karras, LogSNR, Quadratic, Uniform
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError

GRIDS = [Uniform(), Quadratic(), LogSNR(), Karras()]


@pytest.mark.parametrize("grid", GRIDS)
@pytest.mark.parametrize("kind", [Linear, Cosine])
@pytest.mark.parametrize("T", [1, 10, 1000])
@pytest.mark.parametrize("steps", [1, 2, 7, 50, 1000])
@pytest.mark.parametrize("t_start", [1.0, 0.5])
def test_times_fall_from_t_start_to_above_zero(grid, kind, T, steps, t_start):
    times = torch.tensor(grid(kind(T), steps, t_start), dtype=torch.float64)
    assert len(times) == steps
    if times[0] != t_start:  # only where that is noisier than the grid cares for
        assert kind(T).lam(t_start) < grid.lam_min
        assert kind(T).lam(times[0]).item() == pytest.approx(grid.lam_min)
    assert (times.diff() < 0).all() and times[-1] > 0


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


@pytest.mark.parametrize("grid", [LogSNR(), Karras()])
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
