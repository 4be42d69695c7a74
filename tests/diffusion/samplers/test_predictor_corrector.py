from collections import deque
from dataclasses import replace
from itertools import pairwise

import pytest
import torch

from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.diffusion.grids import Karras, LogSNR, Uniform
from diffusion_lightning.diffusion.noise import ImageNoise
from diffusion_lightning.diffusion.samplers import (
    DDIM,
    DDPM,
    DPMSolverPP,
    Heun,
    Langevin,
    NoStep,
    PredictorCorrector,
    Resample,
)
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from tests.support.configs import composed, names
from tests.support.oracles import GaussianOracle, MixtureOracle, normal, sampling_model

SCHEDULES = [Linear(), Cosine()]


def corrected(predictor, corrector, n, steps, **grid):
    return PredictorCorrector(steps, predictor=predictor, corrector=corrector, n_corrections=n, **grid)


@pytest.mark.parametrize("predictor", [DDPM(), DDIM(eta=0.5), Heun(), Heun(churn=0.3), DPMSolverPP(order=3)])
def test_without_corrections_is_its_predictor(predictor):
    model, x = sampling_model(MixtureOracle(Linear())), normal(5, 2, 1, 1)
    predictor = replace(predictor, steps=25, grid=Karras())
    walks = [
        sampler(model, x, noise=ImageNoise(0, range(5), (2, 1, 1)))
        for sampler in (predictor, corrected(predictor, Langevin(), 0, 25, grid=Karras()))
    ]
    assert torch.equal(*walks)


class Biased(DDIM):
    """Its images end each step too near to the origin."""

    def step(self, *args):
        return 0.97 * super().step(*args)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_corrections_restore_a_marginal_biased_on_purpose(schedule):
    oracle = MixtureOracle(schedule)
    deviations = []
    for n in (0, 20):
        torch.manual_seed(0)
        sampler = corrected(Biased(), Langevin(0.3), n, 50, grid=LogSNR())
        x = sampler(sampling_model(oracle), normal(10_000, 2, 1, 1))
        deviations.append(oracle.deviations(x))
    assert deviations[0] > 20
    assert deviations[1] < deviations[0] / 3


def test_evaluations_are_counted():
    model = sampling_model(GaussianOracle(Linear()))
    corrected(DDPM(), Langevin(), 3, 10)(model, normal(2, 1, 4, 4))
    assert model.nfe == 10 + 9 * 3


PREDICTORS = {
    name: instantiate(composed("sample", "sampler=predictor_corrector", f"sampler/predictor={name}").sampler)
    for name in names("sampler/predictor")
}
VARIANTS = [
    *(sampler.predictor for name, sampler in PREDICTORS.items() if name != "none"),
    *(DDPM(variance="beta"), DDIM(eta=0.5), DDIM(eta=1.0), Heun(churn=0.3)),
    *(DPMSolverPP(order=1, sde=True), DPMSolverPP(order=3)),
]


@pytest.mark.parametrize("predictor", VARIANTS, ids=repr)
def test_a_return_takes_the_predictors_own_step(predictor):
    """Against the walk written out: forward with fresh noise, then the predictor with all its settings."""
    oracle, steps, n = MixtureOracle(Cosine()), 12, 2
    sampler = corrected(predictor, Resample(), n, steps, grid=LogSNR())
    model, x = sampling_model(oracle), normal(5, 2, 1, 1)
    walked = sampler(model, x, noise=ImageNoise(0, range(5), (2, 1, 1)))
    assert model.nfe == sampler.evaluations(steps)

    noise, earlier = ImageNoise(0, range(5), (2, 1, 1)), deque(maxlen=predictor.memory_length)
    levels = oracle.schedule.levels(LogSNR()(oracle.schedule, steps))
    for t, s in pairwise(levels):
        p = model(x, t)
        x = predictor.step(model, p, s, noise, earlier)
        for _ in range(n):
            beta = t.beta_from(s)
            back = (1 - beta) ** 0.5 * x + beta**0.5 * noise()
            x = predictor.step(model, model(back, t), s, noise, ())
        earlier.append(p)
    torch.testing.assert_close(walked, model(x, levels[-1]).x0, rtol=0, atol=1e-12)


@pytest.mark.parametrize("variance", ["posterior", "beta"])
def test_the_variance_of_a_return_is_the_predictors(variance):
    """From a known x0 = 0, two times and one return: every draw is normal, with a variance in closed form."""
    schedule = Linear()
    t, s = schedule.levels(Uniform()(schedule, 2))
    beta, n = t.beta_from(s), 200_000
    of_step = beta if variance == "beta" else beta * (s.sigma / t.sigma) ** 2
    keep = (t.alpha / s.alpha * (s.sigma / t.sigma) ** 2) ** 2
    torch.manual_seed(0)
    seen = []
    sampler = corrected(DDPM(variance=variance), Resample(), 1, 2)
    model = sampling_model(GaussianOracle(schedule, mean=0.0, std=0.0))
    sampler(model, normal(n, 1), callback=lambda i, t, p: seen.append(p.x_t))
    stepped = keep + of_step
    returned = keep * ((1 - beta) * stepped + beta) + of_step
    assert seen[-1].var().item() == pytest.approx(returned, rel=5 * (2 / n) ** 0.5)


def test_a_predictor_that_takes_no_step_does_not_stand_alone():
    with pytest.raises(UserError, match="nothing would move"):
        corrected(NoStep(), Langevin(), 0, 10)
    assert corrected(NoStep(), Langevin(), 1, 10).evaluations(10) == 19


def test_refuses_a_bad_number():
    with pytest.raises(UserError, match="n_corrections"):
        corrected(DDPM(), Langevin(), -1, 10)
