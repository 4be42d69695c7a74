import pytest
import torch

from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.parameterizations import EDM, X0, Eps, V
from diffusion_lightning.diffusion.samplers import DDIM
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from tests.support.oracles import GaussianOracle, OracleNetwork, normal, sampling_model


@pytest.mark.parametrize("p", [Eps(), X0(), V(), EDM(), EDM(2.0)])
@pytest.mark.parametrize("t", [0.01, 0.5, 1.0])
def test_the_target_decodes_to_x0(p, t):
    x0, eps, schedule = normal(2, 1, 4, 4), normal(2, 1, 4, 4, seed=1), Linear()
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    output = p.target(x0, eps, alpha, sigma)
    torch.testing.assert_close(p.x0(output, alpha * x0 + sigma * eps, alpha, sigma), x0)


@pytest.mark.parametrize("p", [Eps(), X0(), V(), EDM(), EDM(2.0)])
def test_gain_is_the_derivative_of_x0(p):
    alpha, sigma = torch.tensor(0.6).double(), torch.tensor(0.8).double()
    x_t, output = torch.ones(1, 1).double(), torch.zeros(1, 1).double()
    gradient = torch.autograd.functional.jacobian(lambda output: p.x0(output, x_t, alpha, sigma), output)
    torch.testing.assert_close(p.x0_gain(alpha, sigma), gradient.abs().squeeze())


@pytest.mark.parametrize("schedule", [Linear(), Cosine()])
def test_all_give_the_same_trajectory(schedule):
    oracle, x = GaussianOracle(schedule), normal(2, 1, 4, 4)
    # float32 times reach the network; near t = 1 the cosine schedule would magnify their rounding
    expected = DDIM(20)(sampling_model(oracle), x, t_start=0.96)
    for p in (Eps(), X0(), V(), EDM()):
        denoiser = Denoiser(OracleNetwork(oracle, p), schedule, p)
        actual = DDIM(20)(sampling_model(denoiser), x, t_start=0.96)
        torch.testing.assert_close(actual, expected, rtol=0, atol=2e-5)


def test_edm_is_the_papers():
    """D(x; σ) = c_skip x + c_out F(c_in x) of table 1, with x = x_t/α and σ = κ."""
    schedule, std = Cosine(), 0.5
    level = schedule.level(0.4)
    x_t, F = normal(3, 2, 2, 2), normal(3, 2, 2, 2, seed=1)
    x, kappa = x_t / level.alpha, level.kappa
    c_skip = std**2 / (kappa**2 + std**2)
    c_out, c_in = kappa * std / (kappa**2 + std**2) ** 0.5, 1 / (kappa**2 + std**2) ** 0.5
    p = EDM(std)
    torch.testing.assert_close(p.network_input(x_t, level.alpha, level.sigma), c_in * x)
    torch.testing.assert_close(p.x0(F, x_t, level.alpha, level.sigma), c_skip * x + c_out * F)
    gain = p.x0_gain(*torch.tensor([level.alpha, level.sigma], dtype=torch.float64))
    assert gain.item() == pytest.approx(c_out)


def test_edm_of_data_of_variance_1_is_minus_v():
    level = Linear().level(0.3)
    x0, eps = normal(2, 1, 4, 4), normal(2, 1, 4, 4, seed=1)
    x_t = level.alpha * x0 + level.sigma * eps
    torch.testing.assert_close(EDM(1.0).network_input(x_t, level.alpha, level.sigma), x_t)
    expected = -V().target(x0, eps, level.alpha, level.sigma)
    torch.testing.assert_close(EDM(1.0).target(x0, eps, level.alpha, level.sigma), expected)


@pytest.mark.parametrize("t", [0.02, 0.5, 1.0])
def test_edms_network_sees_and_predicts_variance_1(t):
    """Of data with its σ_data, at every noise level."""
    level = Linear().level(t)
    x0, eps = 0.5 * normal(50_000, 1), normal(50_000, 1, seed=1)
    x_t = level.alpha * x0 + level.sigma * eps
    seen = EDM(0.5).network_input(x_t, level.alpha, level.sigma)
    target = EDM(0.5).target(x0, eps, level.alpha, level.sigma)
    assert seen.var().item() == pytest.approx(1, abs=0.03)
    assert target.var().item() == pytest.approx(1, abs=0.03)


class Times(torch.nn.Module):
    """Keeps the times that it is fed."""

    num_classes = 0

    def forward(self, x_t, time, y):
        self.seen = time
        return x_t


@pytest.mark.parametrize("T", [50, 999, 1000, 4000])
def test_a_walk_feeds_the_network_the_timesteps_of_training(T):
    denoiser = Denoiser(Times(), Cosine(T), V())
    x_t, fed = torch.zeros(1, 4), []
    for level in denoiser.schedule.levels([i / T for i in range(1, T + 1)]):
        denoiser.x0(x_t, level, None)
        fed.append(denoiser.network.seen.item())
    assert fed == list(range(1, T + 1))
