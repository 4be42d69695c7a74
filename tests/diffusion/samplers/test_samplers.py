import pytest
import torch

from diffusion_lightning.diffusion.grids import Grid, Uniform
from diffusion_lightning.diffusion.noise import ImageNoise
from diffusion_lightning.diffusion.samplers import DDIM, DDPM
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from tests.support.oracles import GaussianOracle, normal, sampling_model, slope


class Between(Grid):
    """Fixed end points: what the last prediction leaves out is no error of the steps."""

    def times(self, schedule, u, t_start, t_1):
        return 0.02 + u * 0.94

    def __call__(self, schedule, steps, t_start=1.0):
        return super().__call__(schedule, steps, 0.96)


@pytest.mark.parametrize("schedule", [Linear(), Cosine()])
def test_ddim_converges_to_the_probability_flow(schedule):
    oracle, x = GaussianOracle(schedule), normal(4, 1, 4, 4)
    exact = oracle.x0(oracle.flow(x, 0.96, 0.02), 0.02, None)
    errors = []
    for steps in (40, 80, 160, 320):
        sampler = DDIM(steps, grid=Between())
        errors.append((sampler(sampling_model(oracle), x) - exact).abs().max().item())
    assert slope(errors) == pytest.approx(1, abs=0.2)


@pytest.mark.parametrize("schedule", [Linear(), Cosine()])
def test_a_whole_ddim_walk_ends_on_the_data(schedule):
    oracle, x = GaussianOracle(schedule), normal(4, 1, 4, 4)
    exact = oracle.flow(x, Uniform()(schedule, 1)[0], 0.0)
    errors = [(DDIM(n)(sampling_model(oracle), x) - exact).abs().max().item() for n in (20, 40, 80, 160)]
    assert slope(errors) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("variance", ["posterior", "beta"])
@pytest.mark.parametrize("schedule", [Linear(), Cosine()])
def test_ddpm_draws_the_data(schedule, variance):
    oracle = GaussianOracle(schedule)
    torch.manual_seed(0)
    x = DDPM(500, variance)(sampling_model(oracle), normal(20_000, 1, 1, 1))
    assert x.mean().item() == pytest.approx(oracle.mean, abs=5 * oracle.std / 20_000**0.5)
    # The last step gives E[x0 | x_1], without its small variance.
    assert x.std().item() == pytest.approx(oracle.std, rel=0.03)


@pytest.mark.parametrize("schedule", [Linear(), Cosine(), Cosine(T=20)])
@pytest.mark.parametrize("steps", [None, 7, 50])
def test_ddim_with_eta_one_is_ddpm(schedule, steps):
    model, x = sampling_model(GaussianOracle(schedule)), normal(3, 1, 4, 4)
    ddpm, ddim = (
        sampler(model, x, noise=ImageNoise(0, range(3), (1, 4, 4)))
        for sampler in (DDPM(steps), DDIM(steps, eta=1.0))
    )
    torch.testing.assert_close(ddim, ddpm, rtol=0, atol=1e-10)


@pytest.mark.parametrize("sampler", [DDPM(), DDPM(30), DDIM(12), DDIM(12, eta=0.5)])
def test_evaluations_callback_and_noise_are_counted(sampler):
    model = sampling_model(GaussianOracle(Linear(T=100)))
    seen, drawn = [], []

    def noise():
        drawn.append(1)
        return normal(2, 1, 4, 4, seed=len(drawn))

    state = torch.random.get_rng_state()
    sampler(model, normal(2, 1, 4, 4), noise=noise, callback=lambda *a: seen.append(a))
    steps = sampler.steps or 100
    assert torch.equal(torch.random.get_rng_state(), state)
    assert model.nfe == steps
    assert [t for _, t, _ in seen] == sampler.grid(model.schedule, steps)
    assert len(drawn) == (0 if isinstance(sampler, DDIM) and sampler.eta == 0 else steps - 1)


def test_refuses_what_is_no_batch():
    with pytest.raises(UserError, match=r"\(4,\); it must be a batch \(B, \*\)"):
        DDIM(5)(sampling_model(GaussianOracle(Linear())), normal(4))


def test_refuses_bad_options():
    with pytest.raises(UserError, match="variance"):
        DDPM(variance="small")
    with pytest.raises(UserError, match="eta"):
        DDIM(eta=1.5)
    with pytest.raises(UserError, match="steps"):
        DDIM(steps=0)
