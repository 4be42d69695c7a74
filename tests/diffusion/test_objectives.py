import pytest
import torch
from torch import nn
from torch.nn import functional as F

from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.objectives import MinSNR, SimpleMSE
from diffusion_lightning.diffusion.parameterizations import X0, Eps, V
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from tests.support.oracles import MixtureOracle, normal, through_a_network

T = torch.tensor([0.01, 0.3, 0.6, 1.0], dtype=torch.float64)
ALPHA, SIGMA = Cosine().alpha(T), Cosine().sigma(T)
SNR = ALPHA**2 / SIGMA**2


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (Eps(), SNR.clamp(max=5) / SNR),
        (X0(), SNR.clamp(max=5)),
        (V(), SNR.clamp(max=5) / (SNR + 1)),
    ],
)
def test_min_snr_is_the_papers(p, expected):
    torch.testing.assert_close(MinSNR(5.0).weight(ALPHA, SIGMA, p), expected)


class Guess(nn.Module):
    """Says the same of everything: a tenth of x_t."""

    num_classes = 0

    def forward(self, x_t, time, y):
        return 0.1 * x_t


SHAPES = pytest.mark.parametrize("shape", [(2,), (1, 3, 3)], ids=["points", "images"])


@SHAPES
@pytest.mark.parametrize("p", [Eps(), X0(), V()])
def test_the_loss_is_the_weighted_mean_squared_error_of_each_sample(shape, p):
    x0, eps = normal(4, *shape), normal(4, *shape, seed=1)
    losses = {o: o(Denoiser(Guess(), Cosine(), p), x0, None, T, eps) for o in (SimpleMSE(), MinSNR(5.0))}
    for i, (alpha, sigma) in enumerate(zip(ALPHA, SIGMA, strict=True)):
        x_t = alpha * x0[i] + sigma * eps[i]
        target = {Eps: eps[i], X0: x0[i], V: alpha * eps[i] - sigma * x0[i]}[type(p)]
        expected = F.mse_loss(0.1 * x_t, target)
        torch.testing.assert_close(losses[SimpleMSE()][i], expected)
        weight = MinSNR(5.0).weight(alpha, sigma, p)
        torch.testing.assert_close(losses[MinSNR(5.0)][i], weight * expected)


def test_times_are_uniform_over_the_timesteps_and_noise_is_normal():
    """A network that says t T, and one that says x_t, show what the objective drew."""

    class Seen(Guess):
        def forward(self, x_t, time, y):
            seen.append((x_t, time))
            return x_t

    seen, n, steps = [], 20_000, 5
    schedule = Linear(steps)
    torch.manual_seed(0)
    SimpleMSE()(Denoiser(Seen(), schedule, Eps()), torch.zeros(n, 2), None)
    ((x_t, time),) = seen
    counts = torch.bincount(time.round().long(), minlength=steps + 1)
    assert counts[0] == 0 and len(counts) == steps + 1
    assert (counts[1:] - n / steps).abs().max() < 4 * (n / steps) ** 0.5
    eps = x_t.double() / schedule.sigma(time.double() / steps)[:, None]
    assert eps.mean().abs() < 4 / (2 * n) ** 0.5
    assert (eps.var() - 1).abs() < 4 * (1 / n) ** 0.5


class MLP(nn.Module):
    """Points of a plane with their time to points."""

    num_classes = 0

    def __init__(self, width=64):
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Linear(3, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2))
        )

    def forward(self, x_t, time, y):
        return self.layers(torch.cat([x_t, time[:, None] / 10 - 0.5], dim=1))


def test_it_trains_a_network_of_points_without_any_framework():
    """The optimum is E[x0 | x_t], known in closed form; its own loss is what no network can beat."""
    schedule, objective = Linear(10), SimpleMSE()
    oracle = MixtureOracle(schedule, std=0.5, shape=(2,))
    torch.manual_seed(0)
    denoiser = Denoiser(MLP(), schedule, X0())
    optimizer = torch.optim.Adam(denoiser.parameters(), lr=1e-2)
    points = oracle.sample(100_000, 0.0).float()
    for step in range(600):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 600)
        x0 = points[torch.randint(len(points), (500,))]
        loss = objective(denoiser, x0, None).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    best = through_a_network(oracle, X0())
    x0, eps = oracle.sample(20_000, 0.0, seed=9).float(), normal(20_000, 2, seed=9).float()
    for t in torch.arange(1, 11, dtype=torch.float64) / 10:
        level = schedule.level(t.item())
        x_t = level.alpha * x0 + level.sigma * eps
        error = (denoiser.x0(x_t, level, None) - oracle.x0(x_t, level, None)).square().mean().sqrt()
        assert error < 0.15
        learned, least = (
            objective(d, x0, None, t.expand(len(x0)), eps).mean().item() for d in (denoiser, best)
        )
        assert least - 0.005 < learned < least + 0.02


def test_refuses_a_bad_gamma():
    with pytest.raises(UserError, match="gamma"):
        MinSNR(0)
