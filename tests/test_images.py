import pytest
import torch
from torchvision.io import read_image

from diffusion_lightning.images import from_uint8, grid_columns, save_grid, to_uint8


def test_pixels_survive_the_round_trip():
    pixels = torch.arange(256, dtype=torch.uint8)
    assert to_uint8(from_uint8(pixels)).equal(pixels)
    assert from_uint8(pixels).aminmax() == (-1, 1)


def test_rounds_to_nearest_and_cuts():
    x = torch.tensor([-7.0, (2.4 / 127.5) - 1, (2.6 / 127.5) - 1, 7.0])
    assert to_uint8(x).tolist() == [0, 2, 3, 255]


@pytest.mark.parametrize(
    ("images", "labels", "columns"),
    [(100, 10, 10), (100, 0, 10), (100, 3, 9), (3, 3, 3), (1, 0, 1), (100, 1000, 10), (50, 10, 10)],
)
def test_columns_show_whole_classes(images, labels, columns):
    assert grid_columns(images, labels) == columns


def test_the_png_holds_the_very_pixels(tmp_path):
    images = torch.randint(0, 256, (4, 3, 8, 8), dtype=torch.uint8)
    save_grid(images, 2, tmp_path / "new" / "grid.png")
    png = read_image(str(tmp_path / "new" / "grid.png"))
    # the fourth image: six pixels for one, one pixel of border
    assert png[:, 50 + 3 : 98 : 6, 50 + 3 : 98 : 6].equal(images[3])
