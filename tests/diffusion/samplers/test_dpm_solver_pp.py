import pytest
import torch

from diffusion_lightning.diffusion.grids import LogSNR, Uniform
from diffusion_lightning.diffusion.noise import ImageNoise
from diffusion_lightning.diffusion.samplers import DDIM, DDPM, DPMSolverPP
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from tests.support.oracles import GaussianOracle, MixtureOracle, normal, sampling_model

SCHEDULES = [Linear(), Cosine()]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("grid", [Uniform(), LogSNR()])
def test_order_one_is_ddim_and_of_the_sde_ddpm(schedule, grid):
    model, x = sampling_model(MixtureOracle(schedule)), normal(5, 2, 1, 1)

    def walk(sampler):
        return sampler(model, x, noise=ImageNoise(0, range(5), (2, 1, 1)))

    ode, sde = DPMSolverPP(30, 1, grid=grid), DPMSolverPP(30, 1, sde=True, grid=grid)
    torch.testing.assert_close(walk(ode), walk(DDIM(30, grid=grid)), rtol=0, atol=1e-10)
    torch.testing.assert_close(walk(sde), walk(DDPM(30, grid=grid)), rtol=0, atol=1e-10)


@pytest.mark.parametrize("k", [1, 2])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_integral_against_quadrature(k, count):
    """x0 polynomial in λ through the predictions known, integrated numerically."""
    schedule = Linear()
    model = sampling_model(GaussianOracle(schedule))
    predictions = [model(normal(1, 1, 2, 2, seed=i), t) for i, t in enumerate((0.9, 0.7, 0.6))][:count]
    h = schedule.level(0.45).lam - predictions[-1].lam
    nodes = [p.lam - predictions[-1].lam for p in predictions]
    u = torch.linspace(0, 1, 20_001, dtype=torch.float64) * h
    x0 = 0
    for i, p in enumerate(predictions):  # Lagrange's form, not Newton's
        others = [j for j in range(count) if j != i]
        basis = torch.ones_like(u)
        for j in others:
            basis = basis * (u - nodes[j]) / (nodes[i] - nodes[j])
        x0 = x0 + basis.view(-1, 1, 1, 1) * p.x0
    if count == 2:  # Lu et al.'s 2M takes the middle of the step instead of the integral
        x0 = x0[10_000].expand_as(x0)
    weight = (k * torch.exp(-k * (h - u))).view(-1, 1, 1, 1)
    expected = torch.trapezoid(weight * x0, u, dim=0)
    actual = DPMSolverPP._integral(predictions[-1], predictions[:-1], h, k)
    torch.testing.assert_close(actual[0], expected, rtol=0, atol=1e-7)


def test_refuses_a_bad_order():
    with pytest.raises(UserError, match="order"):
        DPMSolverPP(order=4)
