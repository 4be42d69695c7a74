"""Points as a picture, and what a sample is."""

import pytest
import torch
from torchvision.io import read_image

import diffusion_lightning as dl
from diffusion_lightning.errors import NotFinite, UserError
from diffusion_lightning.points import COLOURS, SIDE, reach, scatter
from diffusion_lightning.samples import from_stored, picture, sample_shape, to_stored


def coloured(image, colour):
    """Where an image (3, H, W) has a colour, (N, 2) as x and y in [0, 1] from the lower left."""
    wanted = torch.tensor([int(colour[i : i + 2], 16) for i in (1, 3, 5)]).view(3, 1, 1)
    row, column = torch.nonzero((image == wanted).all(0)).T
    return torch.stack([column / SIDE, 1 - row / SIDE], dim=1)


def test_a_point_is_drawn_where_it_is():
    image = scatter(torch.tensor([[1.0, 0.5]]), extent=2.0)
    found = coloured(image, COLOURS[0])
    assert image.shape == (3, SIDE, SIDE) and len(found) > 10
    torch.testing.assert_close(found.mean(0), torch.tensor([0.75, 0.625]), rtol=0, atol=0.01)


def test_the_path_of_a_point_leads_to_it():
    """From the upper left corner, along the left and the lower side; the second point has no path."""
    path = torch.tensor([[[-1.0, 1.0]], [[-1.0, -1.0]], [[1.0, -1.0]]])
    image = scatter(torch.tensor([[1.0, -1.0], [1.0, 1.0]]), extent=2.0, paths=path)
    row, column = torch.nonzero((image < 240).any(0)[2:-2, 2:-2]).T
    x, y = (column + 2) / SIDE, 1 - (row + 2) / SIDE
    line = (x < 0.7) & (y < 0.7)
    assert ((x - 0.25).abs() < 0.01).logical_or((y - 0.25).abs() < 0.01)[line].all()
    assert (x[line] > 0.69).any() and (y[line] > 0.69).any()
    alone = (x > 0.5) & (y > 0.5)
    assert alone.any() and torch.stack([x - 0.75, y - 0.75])[:, alone].norm(dim=0).max() < 0.03


def test_points_of_one_text_have_one_colour_which_a_legend_names():
    points = torch.tensor([[-1.0, 0.0], [1.0, 0.0], [-1.0, 1.0], [1.0, 1.0]])
    image = picture(points, 2, dl.Captions(columns=["left", "right"]))
    assert (coloured(image, COLOURS[0])[:, 0] < 0.5).any() and image.shape[2] > SIDE
    panel = image[:, -SIDE:, :SIDE]
    for colour, side in zip(COLOURS, (slice(None, SIDE // 2), slice(SIDE // 2, None)), strict=False):
        assert len(coloured(panel[:, :, side], colour)) == len(coloured(panel, colour)) > 20


def test_rows_of_points_are_panels_with_the_rows_names(tmp_path):
    rows = torch.zeros(3, 5, 2)
    rows[1] = 1.0
    bare = picture(rows)
    assert bare.shape == (3, SIDE, 3 * SIDE)
    panels = bare.chunk(3, dim=2)
    assert panels[0].equal(panels[2]) and not panels[0].equal(panels[1])
    path = dl.save_grid(rows, tmp_path / "rows.png", captions=dl.Captions("title", rows=["a", "b", "c"]))
    assert read_image(str(path)).shape[1] > SIDE


def test_nearly_all_points_are_shown():
    points = torch.randn(5000, 2, generator=torch.Generator().manual_seed(0))
    assert 0.995 < (points.abs() <= reach(points)).double().mean() < 1
    assert reach(0.1 * points) == 1.1
    assert scatter(torch.full((2, 2), 1e30)).shape[1] == SIDE


@pytest.mark.parametrize("points", [torch.zeros(0, 2), torch.zeros(3, 1), torch.zeros(3)])
def test_what_is_no_plane_is_not_pictured(points):
    with pytest.raises(UserError, match="points"):
        scatter(points)


def test_a_point_is_stored_as_it_is_and_an_image_as_pixels():
    points = torch.randn(7, 2)
    assert from_stored(to_stored(points)).equal(points)
    pixels = torch.randint(0, 256, (2, 1, 4, 4), dtype=torch.uint8)
    assert to_stored(from_stored(pixels)).equal(pixels)
    with pytest.raises(NotFinite, match="2 of the points' 14"):
        points[3] = torch.nan
        to_stored(points)


def test_a_data_sets_config_says_what_a_sample_is():
    assert sample_shape({"dim": 2}) == (2,)
    assert sample_shape({"image_channels": 3, "image_size": [4, 6]}) == (3, 4, 6)
