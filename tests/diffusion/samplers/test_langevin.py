import pytest
import torch

from diffusion_lightning.diffusion.samplers import Langevin
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from tests.support.oracles import MixtureOracle, normal, sampling_model


@pytest.mark.parametrize("schedule", [Linear(), Cosine()])
@pytest.mark.parametrize("t", [0.3, 0.6])
def test_converges_to_the_marginal_of_one_fixed_time(schedule, t):
    oracle = MixtureOracle(schedule)
    model, langevin = sampling_model(oracle), Langevin(0.16)
    rng = torch.Generator().manual_seed(0)
    start, level = schedule.levels([1.0, t])
    x = torch.full((10_000, 2, 1, 1), 2.0, dtype=torch.float64)
    assert oracle.deviations(x + 0.01 * normal(*x.shape), t) > 50
    for _ in range(1000):
        x = langevin(model, x, start, level, lambda: torch.randn(x.shape, generator=rng, dtype=x.dtype))
    assert oracle.deviations(x, t) < 4.5


def test_the_step_against_song_et_al():
    """With the norms at their expected values, r is the ratio of drift to noise."""
    schedule, r = Linear(), 0.16
    model = sampling_model(MixtureOracle(schedule))
    x, z = normal(3, 2, 1, 1), normal(3, 2, 1, 1, seed=1)
    actual = Langevin(r)(model, x, *schedule.levels([0.5, 0.4]), lambda: z)
    level = schedule.level(0.4)
    score = torch.func.grad(  # of the log-density itself
        lambda x: torch.logsumexp(MixtureOracle(schedule).log_densities(x, level), 1).sum()
    )(x)
    step = 2 * (r * (2**0.5) / (2**0.5 / schedule.sigma(0.4))) ** 2
    torch.testing.assert_close(actual, x + step * score + (2 * step).sqrt() * z)


def test_an_image_does_not_feel_its_batch_mates():
    model, x = sampling_model(MixtureOracle(Linear())), normal(4, 2, 1, 1)
    levels = model.schedule.levels([0.6, 0.5])
    together = Langevin()(model, x, *levels, lambda: torch.ones_like(x))
    alone = Langevin()(model, x[:1], *levels, lambda: torch.ones_like(x[:1]))
    torch.testing.assert_close(together[:1], alone, rtol=0, atol=1e-12)


def test_refuses_a_bad_ratio():
    with pytest.raises(UserError, match=r"^r is"):
        Langevin(0)
