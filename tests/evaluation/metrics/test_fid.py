import numpy as np
import pytest
import torch
from torchmetrics.image.fid import FrechetInceptionDistance

from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.metrics.fid import FID, frechet_distance
from tests.support.images import comparison, statistics_of
from tests.support.oracles import normal


def correlated(n, d, seed=0, scale=1.0):
    return (scale * normal(n, d, seed=seed) @ normal(d, d, seed=9) + normal(1, d, seed=seed)).float()


def test_of_gaussians_whose_covariances_commute_is_known():
    """‖μ_a - μ_b‖² + Σ (σ_a - σ_b)² for diagonal covariances."""
    x = torch.linalg.qr(normal(200, 4) - normal(200, 4).mean(0))[0]
    x = (x - x.mean(0)) / x.std(0)
    x = x @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T))).T  # unit covariance, exactly
    a, b = torch.tensor([1.0, 2.0, 3.0, 0.0]), torch.tensor([0.5, 2.0, 5.0, 1.0])
    shift = torch.tensor([1.0, 0.0, -2.0, 0.5])
    distance = frechet_distance(statistics_of(x * a), statistics_of(x * b + shift))
    assert distance == pytest.approx(float((shift**2).sum() + ((a - b) ** 2).sum()), rel=1e-9)


def test_equals_pytorch_fids_and_torch_metrics():
    from pytorch_fid.fid_score import calculate_frechet_distance

    x, y = correlated(300, 12), correlated(400, 12, seed=1, scale=1.3)
    mine = frechet_distance(statistics_of(x), statistics_of(y))
    moments = [m for z in (x, y) for m in (z.double().mean(0).numpy(), np.cov(z.double().numpy().T))]
    assert mine == pytest.approx(calculate_frechet_distance(*moments), rel=1e-6)

    class Given(torch.nn.Module):
        num_features = 12

        def forward(self, x):
            return x

    peer = FrechetInceptionDistance(Given(), input_img_size=(1, 1, 12))
    peer.update(x, real=True)
    peer.update(y, real=False)
    assert mine == pytest.approx(float(peer.compute()), rel=1e-4)


@pytest.mark.parametrize(("n", "d"), [(2, 2), (2, 50), (10, 50), (200, 50)])
def test_identical_sets_are_at_zero_and_few_images_make_no_nan(n, d):
    x, y = statistics_of(correlated(n, d)), statistics_of(correlated(n, d, seed=1))
    assert frechet_distance(x, x) < 1e-9 * float(x.covariance.trace())
    assert frechet_distance(x, y) == pytest.approx(frechet_distance(y, x), rel=1e-9)
    assert 0 < frechet_distance(x, y) < float("inf")


def test_a_constant_set_has_no_spread():
    x = statistics_of(torch.full((5, 3), 2.0))
    y = statistics_of(torch.tensor([[0.0, 0, 0], [2, 0, 0]]))
    assert frechet_distance(x, y) == pytest.approx(1 + 4 + 4 + 2)


def test_one_image_is_refused():
    with pytest.raises(UserError, match="at least two"):
        frechet_distance(statistics_of(torch.ones(1, 3)), statistics_of(torch.ones(5, 3)))


def test_the_metric_names_both_splits():
    x, y = statistics_of(correlated(20, 3)), statistics_of(correlated(30, 3, seed=2))
    assert FID()(comparison(x, y)) == {"fid": frechet_distance(x, y), "fid_test": frechet_distance(x, y)}


def test_fewer_images_than_features_leave_a_doubtful_distance():
    few, many = statistics_of(correlated(20, 20)), statistics_of(correlated(30, 20, seed=2))
    found = FID()(comparison(few, many))["fid"]
    assert found.value == frechet_distance(few, many) and "20 images cannot span 20 features" in found.reason
    one = statistics_of(correlated(1, 20))
    assert FID()(comparison(many, one))["fid_test"].value is None
