from dataclasses import replace

import pytest
import torch

from diffusion_lightning.diffusion.grids import Karras, LogSNR
from diffusion_lightning.diffusion.noise import ImageNoise
from diffusion_lightning.diffusion.samplers import DDIM, DDPM, DPMSolverPP, Heun, Langevin, PredictorCorrector
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
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


@pytest.mark.many_steps
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


def test_refuses_a_bad_number():
    with pytest.raises(UserError, match="n_corrections"):
        corrected(DDPM(), Langevin(), -1, 10)
