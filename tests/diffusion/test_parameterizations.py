import pytest
import torch

from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.parameterizations import X0, Eps, V
from diffusion_lightning.diffusion.samplers import DDIM
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from tests.support.oracles import GaussianOracle, OracleNetwork, normal, sampling_model


@pytest.mark.parametrize("p", [Eps(), X0(), V()])
@pytest.mark.parametrize("t", [0.01, 0.5, 1.0])
def test_the_target_decodes_to_x0(p, t):
    x0, eps, schedule = normal(2, 1, 4, 4), normal(2, 1, 4, 4, seed=1), Linear()
    alpha, sigma = schedule.alpha(t), schedule.sigma(t)
    output = p.target(x0, eps, alpha, sigma)
    torch.testing.assert_close(p.x0(output, alpha * x0 + sigma * eps, alpha, sigma), x0)


@pytest.mark.parametrize("p", [Eps(), X0(), V()])
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
    for p in (Eps(), X0(), V()):
        denoiser = Denoiser(OracleNetwork(oracle, p), schedule, p)
        actual = DDIM(20)(sampling_model(denoiser), x, t_start=0.96)
        torch.testing.assert_close(actual, expected, rtol=0, atol=2e-5)


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
