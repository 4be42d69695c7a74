import numpy as np
import pytest
import torch

from diffusion_lightning.diffusion.clamp import Dynamic, KnownPixels, NoClamp, Static, _quantile
from diffusion_lightning.diffusion.samplers import DDIM, DDPM, PredictorCorrector, Resample
from diffusion_lightning.diffusion.schedules import Linear
from diffusion_lightning.errors import UserError
from tests.support.oracles import GaussianOracle, Oracle, normal, sampling_model

WIDE = GaussianOracle(Linear(), mean=0.9, std=1.0)


@pytest.mark.parametrize("clamp", [Static(), Dynamic(), Dynamic(0.5)])
def test_x0_is_bounded_and_eps_re_derived(clamp):
    p = sampling_model(WIDE, clamp)(normal(4, 3, 8, 8), 0.3)
    assert p.x0.abs().max() <= 1
    torch.testing.assert_close(p.alpha * p.x0 + p.sigma * p.eps, p.x_t)


@pytest.mark.parametrize("sampler", [DDIM(10), DDPM(10)])
def test_the_clamp_changes_the_walk(sampler):
    walks = []
    for clamp in (NoClamp(), Static()):
        seen = []
        torch.manual_seed(0)
        sampler(sampling_model(WIDE, clamp), normal(4, 1, 4, 4), callback=lambda *a: seen.append(a))
        walks.append(seen[-1][2].x_t)
    assert (walks[0] - walks[1]).abs().max() > 0.1


def test_dynamic_is_imagens():
    # Two images out of range, and two inside it that must stay as they are.
    x0 = torch.tensor([3.0, 1.5, 0.3, 0.1]).view(4, 1, 1, 1) * normal(4, 1, 8, 8).clamp(-3, 3)
    for image, clamped in zip(x0.numpy(), Dynamic(0.9)(x0).numpy(), strict=True):
        s = max(1.0, np.quantile(np.abs(image), 0.9))
        np.testing.assert_allclose(clamped, np.clip(image, -s, s) / s, rtol=1e-6)
    assert torch.equal(Dynamic(0.9)(x0)[2:], x0[2:])


def test_refuses_a_bad_quantile():
    with pytest.raises(UserError, match="quantile"):
        Dynamic(0.0)


@pytest.mark.parametrize(
    "sampler",
    [DDPM(50), DDIM(20), PredictorCorrector(50, predictor=DDPM(), corrector=Resample(), n_corrections=3)],
)
def test_known_pixels_are_exact_and_the_others_drawn(sampler):
    oracle = GaussianOracle(Linear())
    known = 0.5 * normal(4, 1, 4, 4, seed=5)
    hole = torch.zeros(1, 4, 4, dtype=torch.bool)
    hole[:, :, 2:] = True
    model = sampling_model(oracle, KnownPixels(Static(), known, hole))
    images = sampler(model, normal(4, 1, 4, 4))
    assert torch.equal(images[..., :2], known[..., :2])
    plain = sampler(sampling_model(oracle, Static()), normal(4, 1, 4, 4))
    assert not torch.allclose(images[..., 2:], known[..., 2:]) and plain.shape == images.shape


@pytest.mark.parametrize("shape", [(5, 4), (1, 4, 5), (3, 1, 4, 4), (1, 4, 1, 4, 4)])
def test_refuses_a_mask_that_does_not_fit(shape):
    images = normal(4, 1, 4, 4)
    with pytest.raises(UserError, match="mask"):
        KnownPixels(Static(), images, torch.ones(shape, dtype=torch.bool))
    with pytest.raises(UserError, match="bool"):
        KnownPixels(Static(), images, torch.ones(4, 4))
    assert KnownPixels(Static(), images, torch.zeros(4, 4, dtype=torch.bool))(images + 1).equal(images)


class PairOracle(Oracle):
    """Two pixels of one Gaussian with correlation ρ: E[x0 | x_t] in closed form."""

    rho = 0.8

    def __init__(self, schedule):
        super().__init__(schedule)
        self.covariance = torch.tensor([[1.0, self.rho], [self.rho, 1.0]], dtype=torch.float64)

    def x0(self, x_t, t, y):
        t = self.level(t)
        noisy = t.alpha**2 * self.covariance + t.sigma**2 * torch.eye(2)
        gain = t.alpha * self.covariance @ torch.linalg.inv(noisy)
        return (x_t.flatten(1) @ gain.T).view_as(x_t)


def test_resampling_makes_the_hole_answer_to_what_is_known():
    """What is drawn in the hole should have the conditional mean ρ · known and variance 1 - ρ²."""
    known, hole = torch.full((20_000, 1, 1, 2), 1.0, dtype=torch.float64), torch.tensor([[[False, True]]])
    means = {}
    for n in (0, 8):
        torch.manual_seed(0)
        sampler = PredictorCorrector(100, predictor=DDPM(), corrector=Resample(), n_corrections=n)
        model = sampling_model(PairOracle(Linear()), KnownPixels(NoClamp(), known, hole))
        drawn = sampler(model, normal(20_000, 1, 1, 2))[..., 1]
        means[n] = abs(drawn.mean().item() - PairOracle.rho)
        assert drawn.var().item() == pytest.approx(1 - PairOracle.rho**2, abs=0.15)
    assert means[8] < 0.07 and means[0] > 2 * means[8]


@pytest.mark.parametrize("p", [0.995, 0.9, 0.5, 0.3, 1e-6, 1.0])
@pytest.mark.parametrize("size", [1, 2, 64, 3 * 32 * 32])
def test_the_quantile_is_torchs(p, size):
    x = torch.randn(5, size, generator=torch.Generator().manual_seed(0)).abs()
    expected = torch.quantile(x, p, dim=1)
    torch.testing.assert_close(_quantile(x, p), expected, rtol=1e-6, atol=0)
