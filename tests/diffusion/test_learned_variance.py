import pytest
import torch

from diffusion_lightning.diffusion.learned_variance import LearnedVariance
from diffusion_lightning.diffusion.objectives import MinSNR, SimpleMSE
from diffusion_lightning.diffusion.parameterizations import V
from diffusion_lightning.diffusion.schedules import Cosine
from diffusion_lightning.diffusion.times import LogNormalTimes, UniformTimes
from diffusion_lightning.errors import UserError
from tests.support.oracles import MixtureOracle, normal, through_a_network

T = torch.tensor([0.05, 0.3, 0.6, 1.0], dtype=torch.float64)


def test_at_first_it_is_the_loss_that_it_weighs():
    oracle = MixtureOracle(Cosine(), shape=(2,))
    denoiser = through_a_network(oracle, V())
    x0, eps, t = oracle.sample(4, 0.0).float(), normal(4, 2, seed=1).float(), T[:1].expand(4)
    for objective in (SimpleMSE(), MinSNR(3.0)):
        torch.testing.assert_close(
            LearnedVariance(objective)(denoiser, x0, None, t, eps), objective(denoiser, x0, None, t, eps)
        )


def test_times_are_those_of_the_config_or_of_its_loss():
    times = LogNormalTimes()
    assert LearnedVariance(times=times).times == LearnedVariance(SimpleMSE(times=times)).times == times
    assert LearnedVariance().times == UniformTimes() and LearnedVariance(MinSNR(2.0)).objective == MinSNR(2.0)


def test_it_learns_the_logarithm_of_the_loss():
    """Of a perfect network the loss at t is known; the minimum of loss/e^u + u over u is at its logarithm."""
    oracle = MixtureOracle(Cosine(), shape=(2,))
    denoiser = through_a_network(oracle, V())
    x0, eps = oracle.sample(4000, 0.0).float(), normal(4000, 2, seed=1).float()
    losses = torch.stack([SimpleMSE()(denoiser, x0, None, t.expand(4000), eps).mean() for t in T])
    torch.manual_seed(0)
    learned = LearnedVariance()
    optimizer = torch.optim.Adam(learned.parameters(), lr=0.02)
    lam = Cosine().lam(T).float()
    for _ in range(2000):
        u = learned.log_variance(lam)
        optimizer.zero_grad()
        (losses * torch.exp(-u) + u).mean().backward()
        optimizer.step()
    torch.testing.assert_close(learned.log_variance(lam), losses.log(), rtol=0, atol=0.02)
    # What a batch contributes is then 1 + log of the loss, at every t
    each = torch.stack([learned(denoiser, x0, None, t.expand(4000), eps).mean() for t in T])
    torch.testing.assert_close(each, 1 + losses.log(), rtol=0, atol=0.02)


def test_refuses_no_channels():
    with pytest.raises(UserError, match="channels is 0"):
        LearnedVariance(channels=0)
