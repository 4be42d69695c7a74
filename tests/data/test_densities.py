"""The densities of the plane: what is drawn is what the density says."""

import math

import pytest
import torch
from PIL import Image, ImageDraw

import diffusion_lightning as dl
from diffusion_lightning.data.densities import SHAPES, density_of
from diffusion_lightning.errors import UserError

N = 20_000


def drawn(density, n=N, seed=0):
    return density.sample(n, torch.Generator().manual_seed(seed))


@pytest.fixture
def densities(tmp_path):
    picture = Image.new("L", (30, 20), "white")
    ImageDraw.Draw(picture).ellipse((3, 3, 15, 17), 60)
    picture.save(tmp_path / "disc.png")
    return [density_of(shape) for shape in (*SHAPES, str(tmp_path / "disc.png"))]


def cells(n=120):
    """The centres of n x n cells of [-1.2, 1.2]², and the area of one."""
    line = (torch.arange(n, dtype=torch.float64) + 0.5) / n * 2.4 - 1.2
    return torch.cartesian_prod(line, line), (2.4 / n) ** 2


def test_a_density_integrates_to_one_and_points_fall_where_it_says(densities):
    centres, area = cells()
    for density in densities:
        mass = density.pdf(centres) * area
        assert mass.sum() == pytest.approx(1, abs=0.02), density
        # The shares of an 8 x 8 board: a multinomial's, within five standard errors
        board = ((centres + 1.2) / 0.3).floor().long().clamp(0, 7) @ torch.tensor([8, 1])
        expected = torch.zeros(64, dtype=torch.float64).index_add_(0, board, mass)
        x, _ = drawn(density)
        found = ((x + 1.2) / 0.3).floor().long().clamp(0, 7) @ torch.tensor([8, 1])
        share = found.bincount(minlength=64) / N
        error = (expected * (1 - expected) / N).sqrt()
        assert ((share - expected).abs() <= 5 * error + 1e-3).all(), density


def test_all_of_it_lies_within_one_but_for_tails(densities):
    for density in densities:
        assert (drawn(density)[0].abs() > 1).any(1).double().mean() < 1e-3, density


def test_the_density_of_rings_is_the_mixtures(densities):
    rings = dl.Rings(std=0.1, directions=3, radii=(0.5,))
    x, labels = drawn(rings, 50)
    angles = [2 * math.pi * k / 3 for k in range(3)]
    means = torch.tensor([[0.5 * math.cos(a), 0.5 * math.sin(a)] for a in angles], dtype=torch.float64)
    each = torch.distributions.Normal(means, 0.1).log_prob(x[:, None]).sum(-1)
    torch.testing.assert_close(rings.pdf(x), each.exp().mean(1), rtol=0.01, atol=0)
    assert (each.argmax(1) == labels).all() and rings.class_names == ["0", "1", "2"]


def test_the_labels_of_the_moons_are_the_nearest_moon():
    x, labels = drawn(dl.Moons(std=0.01))
    angle = torch.linspace(0, math.pi, 200, dtype=torch.float64)
    upper = 0.57 * torch.stack([angle.cos() - 0.5, angle.sin() - 0.25], dim=1)
    nearest = torch.stack([torch.cdist(x, moon).min(1).values for moon in (upper, -upper)]).argmin(0)
    assert (nearest == labels).all() and labels.double().mean() == pytest.approx(0.5, abs=0.02)


def test_the_top_of_a_picture_is_up_and_white_is_empty(tmp_path):
    picture = Image.new("L", (4, 2), "white")
    picture.putpixel((3, 0), 0)
    picture.putpixel((0, 1), 155)
    picture.save(tmp_path / "two.png")
    density = dl.Picture(tmp_path / "two.png")
    places = torch.tensor([[0.75, 0.25], [-0.75, -0.25], [0.0, 0.0], [0.75, 0.75]])
    black = 255 / 355 / 0.25
    assert density.pdf(places).tolist() == pytest.approx([black, black * 100 / 255, 0, 0])
    x, _ = drawn(density, 100)
    assert (density.pdf(x) > 0).all()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: density_of("moon"), "moons, swiss_roll, checkerboard, rings, or the file of a picture"),
        (lambda: dl.Moons(std=0), "std is 0"),
        (lambda: dl.Rings(radii=()), "radii is empty"),
        (lambda: dl.Checkerboard(squares=1), "squares is 1"),
        (lambda: dl.Mosaic(torch.zeros(2, 2)), "not white"),
        (lambda: dl.Mosaic(torch.tensor([[2.0, -1.0]])), "negative or not finite"),
        (lambda: dl.Mosaic(torch.tensor([[2.0, torch.inf]])), "negative or not finite"),
    ],
)
def test_a_density_that_cannot_be_is_refused(make, message):
    with pytest.raises(UserError, match=message):
        make()
