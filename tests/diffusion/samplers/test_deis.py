import pytest
import torch

from diffusion_lightning.diffusion.grids import LogSNR, Quadratic
from diffusion_lightning.diffusion.samplers import DDIM, DEIS
from diffusion_lightning.diffusion.samplers.deis import _integral
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from tests.support.oracles import GaussianOracle, MixtureOracle, normal, sampling_model


@pytest.mark.parametrize("schedule", [Linear(), Cosine()])
@pytest.mark.parametrize("grid", [Quadratic(), LogSNR()])
def test_order_one_is_ddim(schedule, grid):
    model, x = sampling_model(MixtureOracle(schedule)), normal(5, 2, 1, 1)
    torch.testing.assert_close(
        DEIS(30, 1, grid=grid)(model, x), DDIM(30, grid=grid)(model, x), rtol=0, atol=1e-9
    )


@pytest.mark.parametrize("count", [1, 2, 3])
def test_the_integral_against_quadrature(count):
    """ε polynomial in κ through the predictions known, by Lagrange's form, integrated numerically."""
    schedule = Linear()
    model = sampling_model(GaussianOracle(schedule))
    latest = [model(normal(1, 1, 2, 2, seed=i), t) for i, t in enumerate((0.6, 0.7, 0.9))][:count]
    kappa = [p.sigma / p.alpha for p in latest]
    end = float(schedule.sigma(0.45) / schedule.alpha(0.45))
    u = torch.linspace(0, 1, 20_001, dtype=torch.float64) * (end - kappa[0]) + kappa[0]
    eps = 0
    for i, p in enumerate(latest):
        basis = torch.ones_like(u)
        for j in range(count):
            if j != i:
                basis = basis * (u - kappa[j]) / (kappa[i] - kappa[j])
        eps = eps + basis.view(-1, 1, 1, 1) * p.eps
    expected = torch.trapezoid(eps, u, dim=0)
    torch.testing.assert_close(_integral(latest, end - kappa[0])[0], expected, rtol=0, atol=1e-7)


def test_refuses_a_bad_order():
    with pytest.raises(UserError, match="order"):
        DEIS(order=0)
