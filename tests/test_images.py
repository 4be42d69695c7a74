import pytest
import torch
from torchvision.io import ImageReadMode, read_image
from torchvision.utils import make_grid

from diffusion_lightning.errors import UserError
from diffusion_lightning.images import (
    from_uint8,
    grid_columns,
    image_grid,
    save_png,
    tiled,
    to_uint8,
)
from diffusion_lightning.samples import save_grid


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
    path = save_grid(images, tmp_path / "new" / "grid.png", columns=2)
    png = read_image(str(path))
    # the fourth image: six pixels for one, one pixel of border
    assert png[:, 50 + 3 : 98 : 6, 50 + 3 : 98 : 6].equal(images[3])


def test_floats_and_rows_of_images_make_the_same_grid(tmp_path):
    pixels = torch.randint(0, 256, (6, 1, 8, 8), dtype=torch.uint8)
    grid = image_grid(pixels, 3)
    assert image_grid(from_uint8(pixels), 3).equal(grid)
    assert image_grid(from_uint8(pixels).view(2, 3, 1, 8, 8)).equal(grid)
    assert image_grid(pixels).equal(grid)  # about square
    assert save_grid(pixels, str(tmp_path / "grid.png"), 3) == tmp_path / "grid.png"
    assert read_image(str(tmp_path / "grid.png"), ImageReadMode.RGB).equal(grid)
    assert [path.name for path in tmp_path.iterdir()] == ["grid.png"]


@pytest.mark.parametrize(("n", "columns"), [(1, 1), (1, 3), (2, 5), (6, 3), (7, 3), (100, 10)])
@pytest.mark.parametrize("channels", [1, 3])
def test_tiles_are_those_of_torchvision(n, columns, channels):
    pixels = torch.randint(0, 256, (n, channels, 4, 6), dtype=torch.uint8)
    assert tiled(pixels, columns).equal(make_grid(pixels, nrow=columns, padding=1, pad_value=128))


@pytest.mark.parametrize(
    ("shape", "columns"), [((0, 1, 8, 8), None), ((1, 8, 8), None), ((2, 2, 8, 8), None), ((2, 1, 8, 8), 0)]
)
def test_what_makes_no_grid_is_refused(shape, columns, tmp_path):
    with pytest.raises(UserError, match=r"the images are|columns is 0"):
        save_grid(torch.zeros(shape), tmp_path / "grid.png", columns)
    assert not list(tmp_path.iterdir())


def test_a_png_that_cannot_be_written_leaves_the_earlier_one(tmp_path):
    image = torch.zeros(3, 2, 2, dtype=torch.uint8)
    before = save_png(image, tmp_path / "a.png").read_bytes()
    with pytest.raises(AssertionError, match="float32"):
        save_png(image.float(), tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == before and len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64])
def test_what_is_no_number_is_no_pixel(bad, dtype, tmp_path):
    images = torch.zeros(3, 1, 4, 4, dtype=dtype)
    images[1, 0, 2, 2:] = bad
    for save in (to_uint8, image_grid, lambda x: save_grid(x, tmp_path / "grid.png")):
        with pytest.raises(UserError, match="2 of the images' 48 values are NaN or infinite"):
            save(images)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.bool])
def test_whole_numbers_are_no_images_but_for_bytes(dtype):
    with pytest.raises(UserError, match="must be floating point in"):
        image_grid(torch.ones(3, 1, 4, 4, dtype=dtype))
