from dataclasses import replace
from fractions import Fraction

import pytest
import torch

from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.diffusion.grids import LAM_MIN, Karras, LogSNR, Quadratic, Times, Uniform
from diffusion_lightning.diffusion.noise import ImageNoise
from diffusion_lightning.diffusion.samplers import DDIM, DDPM, DPMSolverPP, Heun
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from tests.support.configs import composed, names
from tests.support.oracles import GaussianOracle, normal, sampling_model

NAMES = [name for name in names("sampler/grid") if name != "times"]
GRIDS = [instantiate(composed("sample", f"sampler/grid={name}").sampler.grid) for name in NAMES]
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
        assert (times[0], times[-1]) == (grid(Linear(T), 1, t_start)[0], min(1 / T, t_start / steps))


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


TYPED = (1.0, 0.7, 0.4, 0.1, 0.001)


def test_times_written_by_hand_are_the_walk():
    times = instantiate(composed("sample", "sampler/grid=times", f"sampler.grid.times={list(TYPED)}").sampler)
    assert times.grid == Times(TYPED) == Times(list(TYPED)) and hash(times.grid) == hash(Times(TYPED))
    for steps in (1, 50):
        assert times.grid(Linear(), steps) == list(TYPED)
    assert Times(TYPED)(Linear(), 50, 0.5) == [0.5, 0.4, 0.1, 0.001]
    assert Times(TYPED)(Linear(), 50, 0.4) == [0.4, 0.1, 0.001]
    pure = Uniform()(Cosine(), 1)[0]
    assert Times((1.0, 0.999, *TYPED[1:]))(Cosine(), 50) == [pure, *TYPED[1:]]


@pytest.mark.parametrize("grid", GRIDS, ids=repr)
@pytest.mark.parametrize("schedule", [Linear(), Cosine()], ids=repr)
@pytest.mark.parametrize("sampler", [DDIM(), Heun(), DPMSolverPP(order=3), DDPM(variance="beta")], ids=repr)
def test_another_grids_times_written_by_hand_are_its_walk(sampler, grid, schedule):
    model, x = sampling_model(GaussianOracle(schedule)), normal(3, 1, 4, 4)
    typed = replace(sampler, steps=None, grid=Times(grid(schedule, 9)))
    walks = [
        walk(model, x, noise=ImageNoise(0, range(3), (1, 4, 4)))
        for walk in (replace(sampler, steps=9, grid=grid), typed)
    ]
    assert torch.equal(*walks) and len(typed.times(schedule)) == 9


@pytest.mark.parametrize("times", [(), (0.5, 0.5), (0.1, 0.5), (1.0, 0.0), (1.0, -0.1), (1.2, 0.5)])
def test_refuses_times_that_are_no_walk(times):
    with pytest.raises(UserError, match="times is"):
        Times(times)


def test_a_walk_does_not_begin_where_its_noise_does_not_belong():
    with pytest.raises(UserError, match=r"begin at 0\.8, but .* t = 1; begin with 1"):
        DDIM(grid=Times((0.8, 0.1)))(sampling_model(GaussianOracle(Linear())), normal(3, 4))


class Unhashable(Linear):
    __hash__ = None


def test_the_times_of_equal_walks_are_searched_for_once(monkeypatch):
    searched, t_of_lam = [], Linear.t_of_lam
    monkeypatch.setattr(Linear, "t_of_lam", lambda self, lam: searched.append(1) or t_of_lam(self, lam))
    times = Heun(7, grid=Karras()).times(Linear(T=321))
    before = list(times), len(searched)
    times.clear()  # a list of one's own
    assert (Heun(7, grid=Karras()).times(Linear(T=321)), len(searched)) == before
    assert before[0] == Karras()(Linear(T=321), 7) and before[1] > 0
    for walk, schedule in ((Heun(8, grid=Karras()), Linear(T=321)), (Heun(7, grid=Karras()), Linear(T=322))):
        assert walk.times(schedule) == Karras()(schedule, walk.steps) != before[0]
    assert Heun(7).times(Unhashable()) == Heun(7).times(Linear())
