import pytest
import torch
from torch import nn

from diffusion_lightning.networks.dropout import Dropout


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
def test_each_unit_is_dropped_on_its_own_and_the_mean_stays(p):
    torch.manual_seed(0)
    x = torch.ones(1000, 7, 3, 11)
    y = Dropout(p)(x)
    dropped = (y == 0).double()
    torch.testing.assert_close(y[y != 0], torch.full_like(y[y != 0], 1 / (1 - p)))
    error = (p * (1 - p) / x.numel()) ** 0.5
    assert abs(dropped.mean() - p) < 4 * error
    # Units that come from one random number, and neighbours in all directions, know nothing of each other
    flat = dropped.flatten()
    for distance in 1, 2, 3, 4, 11, 33:
        together = (flat[distance:] * flat[:-distance]).mean()
        assert abs(together - p**2) < 6 * error


def test_the_gradient_passes_where_the_unit_does():
    x = torch.ones(4, 8, 3, 3, requires_grad=True)
    y = Dropout(0.5)(x)
    y.sum().backward()
    assert torch.equal(x.grad, y)


def test_it_follows_the_seed_and_the_precision():
    x = torch.randn(3, 5, 7, 7, dtype=torch.bfloat16)
    drawn = []
    for seed in 0, 0, 1:
        torch.manual_seed(seed)
        drawn.append(Dropout(0.3)(x))
    assert drawn[0].dtype == torch.bfloat16
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])


def test_it_is_torchs_at_both_ends_and_in_evaluation():
    x = torch.randn(2, 3, 4, 4)
    for p in 0.0, 1.0:
        assert torch.equal(Dropout(p)(x), nn.Dropout(p)(x))
    assert torch.equal(Dropout(0.5).eval()(x), x)
