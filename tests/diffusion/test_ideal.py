"""The ideal denoiser of a finite data set, against an independent derivation."""

import pytest
import torch

import diffusion_lightning as dl
from diffusion_lightning.errors import UserError
from tests.support.oracles import MixtureOracle, normal

POINTS = normal(7, 2, seed=3)
LABELS = torch.tensor([0, 1, 1, 0, 2, 2, 1])


def brute_force(x, points, alpha, sigma):
    """E[x0 | x_t = x] by Bayes' rule with the Gaussian's own density, one sample at a time."""
    densities = torch.distributions.Normal(alpha * points.flatten(1), torch.tensor(sigma)).log_prob(
        x.flatten()
    )
    posterior = densities.sum(1).exp()
    return (posterior[:, None] * points.flatten(1)).sum(0).view_as(x) / posterior.sum()


@pytest.mark.parametrize("t", [0.05, 0.3, 1.0])
@pytest.mark.parametrize("shape", [(2,), (1, 2, 3)])
def test_it_is_the_posterior_mean_by_bayes_rule(t, shape):
    points, schedule = normal(7, *shape, seed=3), dl.Cosine()
    level = schedule.level(t)
    # near where such points come from, or the density itself would be 0 in doubles
    x = level.alpha * points[[0, 2, 4, 6]] + level.sigma * normal(4, *shape)
    y = torch.tensor([0, 1, 2, 3])  # the last one is the null label
    found = dl.IdealDenoiser(points, schedule, LABELS).x0(x, level, y)
    for k in range(4):
        mine = points if y[k] == 3 else points[y[k] == LABELS]
        torch.testing.assert_close(found[k], brute_force(x[k], mine, level.alpha, level.sigma))


def test_it_is_a_mixture_of_zero_width():
    oracle = MixtureOracle(dl.Linear(), std=0.0, shape=(2,))
    repeated = oracle.means.repeat_interleave(torch.tensor([2, 3, 5]), dim=0)
    ideal = dl.IdealDenoiser(repeated, dl.Linear())
    for t in 0.02, 0.4, 1.0:
        x = oracle.sample(50, t)
        torch.testing.assert_close(ideal.x0(x, ideal.schedule.level(t), None), oracle.x0(x, t, None))


@pytest.mark.parametrize("schedule", [dl.Linear(), dl.Cosine()])
def test_ddim_ends_in_the_data_set(schedule):
    """As t → 0 the prediction is a training point, and a walk's end is nothing but one."""
    model = dl.DiffusionModel(dl.IdealDenoiser(POINTS.float() / 3, schedule), (2,), dl.Guidance(1.0, 0.0))
    nearest = []
    for t_1 in 0.3, 0.05, 0.001:
        walk = dl.DDIM(grid=dl.Times(torch.linspace(1, t_1, 60).tolist()))
        drawn = model.sample(num_images=200, sampler=walk, progress=False)
        distances = torch.cdist(drawn, POINTS.float() / 3)
        nearest.append(distances.min(1).values.median())
    assert nearest[0] > 2 * nearest[1] > 1e-4 and nearest[2] < 1e-6
    assert (distances.argmin(1).bincount(minlength=7) > 0).all()  # and every one is drawn


def test_ddim_of_images_copies_images():
    images = (normal(5, 1, 4, 4) * 60 + 128).clamp(0, 255).to(torch.uint8)
    model = dl.DiffusionModel(dl.IdealDenoiser(images, dl.Linear()), (1, 4, 4), dl.Guidance(1.0, 0.0))
    drawn = dl.to_uint8(
        model.sample(num_images=20, sampler=dl.DDIM(steps=50, grid=dl.LogSNR()), progress=False)
    )
    assert all((drawn[i] == images).flatten(1).all(1).any() for i in range(20))


def test_a_class_draws_its_points_alone_and_guidance_is_the_rule():
    points = POINTS.float() / 3
    ideal = dl.IdealDenoiser(points, dl.Linear(), LABELS)
    model = dl.DiffusionModel(ideal, (2,), dl.Guidance(0.1, 1.0))
    drawn = model.sample(
        labels=[2], num_images=50, sampler=dl.DDPM(steps=100, grid=dl.LogSNR()), progress=False
    )
    assert torch.cdist(drawn, points[LABELS == 2]).min(1).values.max() < 1e-3
    x, level, y = normal(4, 2), ideal.schedule.level(0.4), torch.tensor([0, 1, 2, 0])
    exact = dl.IdealDenoiser(POINTS, dl.Linear(), LABELS)
    null, of_y = exact.x0(x, level, None), exact.x0(x, level, y)
    torch.testing.assert_close(dl.Guidance(0.1, 3.0).x0(exact, x, level, y), null + 3 * (of_y - null))


def test_no_denoiser_has_a_smaller_loss_on_the_points():
    """The loss's derivative in any direction of the prediction vanishes: the mean over the posterior."""
    ideal = dl.IdealDenoiser(POINTS.float(), dl.Cosine())
    n = 20_000
    x0 = POINTS.float()[torch.arange(n) % 7]
    eps, t = normal(n, 2, seed=5).float(), torch.full((n,), 0.5, dtype=torch.float64)
    level = ideal.schedule.level(0.5)
    x_t = level.alpha * x0 + level.sigma * eps
    error = ideal(x_t, t, None) - x0
    for direction in (torch.ones(n, 2), x_t, x_t.square()):
        products = (error * direction).sum(1)
        assert products.mean().abs() < 4 * products.std() / n**0.5


def test_small_noise_is_no_trouble_in_float32():
    points = POINTS.float()
    ideal, level = dl.IdealDenoiser(points, dl.Linear()), dl.Linear().level(1e-3)
    x0 = ideal.x0(level.alpha * points + level.sigma * normal(7, 2).float(), level, None)
    torch.testing.assert_close(x0, points)
    far = ideal.x0(torch.full((1, 2), 1e4), level, None)
    assert far.isfinite().all()


@pytest.mark.parametrize(
    ("points", "labels", "message"),
    [
        (POINTS[:0], None, "0 points"),
        (POINTS[:0], LABELS[:0], "0 points"),
        (POINTS, LABELS[:3], "one for each"),
        (POINTS, torch.tensor([0, 1, 1, 0, 3, 3, 1]), r"labels are \[0, 1, 3\]"),
    ],
)
def test_bad_points_are_refused(points, labels, message):
    with pytest.raises(UserError, match=message):
        dl.IdealDenoiser(points, dl.Linear(), labels)
