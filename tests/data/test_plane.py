"""Points as a data set."""

import pytest
import torch

import diffusion_lightning as dl
from diffusion_lightning.errors import UserError
from tests.support.data import batches_of


def test_points_reach_the_model_as_they_were_drawn():
    """Nothing rounds them, as 8-bit pixels would be."""
    data = dl.Plane("moons", num_points=1000, batch_size=100)
    batches = batches_of(data, train=True)
    x, y = (torch.cat(part) for part in zip(*batches, strict=True))
    points, labels = data.train_images.images, data.train_images.labels
    order = torch.cdist(x, points).argmin(1)
    assert points.dtype == torch.float32 and x.equal(points[order]) and y.equal(labels[order])
    assert order.sort().values.equal(torch.arange(1000))
    assert len(points.unique()) > 1900


def test_the_splits_are_drawn_apart_and_the_same_for_any_seed():
    sets = []
    for seed in 0, 1:
        data = dl.Plane("rings", num_points=1000, seed=seed)
        data.setup()
        sets.append(data)
    train, test = sets[0].train_images.images, sets[0].test_images.images
    assert torch.cdist(train, test).min() > 0 and (len(train), len(test)) == (1000, 100)
    assert sets[0].contents() == sets[1].contents() != dl.Plane("moons", num_points=1000).contents()
    assert (sets[0].num_classes, sets[0].class_names) == (8, [str(k) for k in range(8)])


def test_classes_and_a_limit_choose_points():
    data = dl.Plane("moons", num_points=1000, classes=["lower"], limit=50)
    data.setup()
    truth = dl.Moons()
    assert len(data.train_images) == 50 and data.class_names == ["lower"]
    angle = torch.linspace(0, torch.pi, 200)
    lower = -0.57 * torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], dim=1)
    assert torch.cdist(data.train_images.images, lower).min(1).values.max() < 5 * truth.std


def test_a_density_of_ones_own_is_a_data_set():
    class Bar(dl.Traced):
        def trace(self, u):
            return torch.stack([u - 0.5, 0 * u], dim=1), torch.zeros(len(u), dtype=torch.long)

    data = dl.Plane(Bar(std=0.1), num_points=1000)
    data.setup()
    assert data.num_classes == 0 and data.train_images.images[:, 1].std() == pytest.approx(0.1, rel=0.1)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"dim": 3}, "dim is 3"), ({"num_points": 5}, "num_points"), ({"shape": "x.png"}, "shape is 'x.png'")],
)
def test_what_is_no_plane_is_refused(arguments, message):
    with pytest.raises(UserError, match=message):
        dl.Plane(**arguments)
