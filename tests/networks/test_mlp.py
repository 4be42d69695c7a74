"""The network of points."""

import pytest
import torch

import diffusion_lightning as dl
from diffusion_lightning.errors import UserError
from tests.support.networks import perturb


def network():
    torch.manual_seed(0)
    return perturb(dl.MLP(2, 3, width=16, depth=2), by=0.3)


def test_it_begins_with_zero_and_then_tells_points_times_and_labels_apart():
    x, time, y = torch.randn(4, 2), torch.tensor([1.0, 500, 500, 1000]), torch.tensor([0, 1, 2, 3])
    assert dl.MLP(2, 3)(x, time, y).abs().max() == 0
    net = network()
    out = net(x, time, y)
    assert out.shape == x.shape
    for other in (net(x + 1, time, y), net(x, time.flip(0) + 9, y), net(x, time, y.flip(0))):
        assert (other - out).abs().max(1).values.min() > 1e-3


def test_it_computes_in_full_precision_whatever_is_asked():
    net, x = network(), torch.randn(4, 2)
    rest = torch.ones(4), torch.zeros(4, dtype=torch.long)
    with torch.autocast("cpu", torch.bfloat16):
        assert net(x, *rest).equal(network()(x, *rest)) and net(x, *rest).dtype == torch.float32


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"dim": 0}, "dim"), ({"depth": 0}, "depth"), ({"width": 12}, "multiple of 8")],
)
def test_what_cannot_be_built_is_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        dl.MLP(**{"dim": 2, "num_classes": 0} | arguments)


def test_points_of_another_dimension_are_refused():
    with pytest.raises(UserError, match=r"\(B, 2\)"):
        network()(torch.zeros(1, 3), torch.ones(1), torch.zeros(1, dtype=torch.long))
