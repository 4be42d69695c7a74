import pytest
import torch

from diffusion_lightning.diffusion.grids import Karras
from diffusion_lightning.diffusion.prediction import Prediction
from diffusion_lightning.diffusion.samplers import DDIM, Heun
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from tests.support.oracles import GaussianOracle, MixtureOracle, normal, sampling_model

SCHEDULES = [Linear(), Cosine()]


class Uncorrected(SamplingModel):
    """Answers the second look of each step with the slope of the first."""

    def __call__(self, x, level):
        if self.nfe % 2 == 1:
            self.nfe += 1
            return Prediction(x, (x - level.sigma * self.eps) / level.alpha, level)
        prediction = super().__call__(x, level)
        self.eps = prediction.eps
        return prediction


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_without_its_correction_is_ddim(schedule):
    model, x = sampling_model(MixtureOracle(schedule)), normal(5, 2, 1, 1)
    uncorrected = Uncorrected(model.denoiser, model.guidance, model.clamp)
    heun, ddim = Heun(20, grid=Karras())(uncorrected, x), DDIM(20, grid=Karras())(model, x)
    torch.testing.assert_close(heun, ddim, rtol=0, atol=1e-9)


def test_counts_two_evaluations_a_step_but_for_the_last():
    model = sampling_model(GaussianOracle(Linear()))
    Heun(10)(model, normal(2, 1, 4, 4))
    assert model.nfe == 19


@pytest.mark.parametrize("churn", [-0.1, 0.5])
def test_refuses_a_bad_churn(churn):
    with pytest.raises(UserError, match="churn"):
        Heun(churn=churn)
