from dataclasses import replace

import torch

from diffusion_lightning.diffusion.schedules import Linear
from tests.support.oracles import GaussianOracle, normal, sampling_model


def test_eps_follows_x0():
    prediction = sampling_model(GaussianOracle(Linear()))(normal(2, 1, 4, 4), 0.4)
    changed = replace(prediction, x0=prediction.x0.clamp(-0.1, 0.1))
    assert not torch.equal(changed.x0, prediction.x0)
    for p in (prediction, changed):
        torch.testing.assert_close(p.alpha * p.x0 + p.sigma * p.eps, p.x_t)
        torch.testing.assert_close(p.alpha * p.eps - p.sigma * p.x0, p.v)


def test_score_is_the_gradient_of_the_log_density():
    oracle, t = GaussianOracle(Linear()), 0.4
    x = normal(2, 1, 4, 4).requires_grad_()
    z = (x - oracle.schedule.alpha(t) * oracle.mean) / oracle.scale(t)
    (gradient,) = torch.autograd.grad((-0.5 * z**2).sum(), x)
    torch.testing.assert_close(sampling_model(oracle)(x.detach(), t).score, gradient)
