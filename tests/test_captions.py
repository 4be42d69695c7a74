import numpy as np
import pytest
import torch
from torchvision.io import read_image

from diffusion_lightning.captions import GAP, LINE, LONGEST, Captions, can_draw, captioned, drawable
from diffusion_lightning.images import image_grid
from diffusion_lightning.samples import save_grid

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def random_images(n, side=8, channels=1):
    return torch.randint(0, 256, (n, channels, side, side), dtype=torch.uint8)


def inked(region):
    """Whether there are dark pixels on white."""
    return int(region.amin()) < 80 and int(region.amax()) == 255


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (28, 1), (32, 3), (64, 3)])
@pytest.mark.parametrize("heads", [["a", "b", "c"], [*NAMES[:2], "a class of a very long name"]])
def test_every_row_and_column_has_its_text_and_every_pixel_stays(side, channels, heads, tmp_path):
    images = random_images(6, side, channels)
    bare = image_grid(images, 3)
    captions = Captions("what it shows", heads, ["first", "second\nrow"])
    path = save_grid(images, tmp_path / "grid.png", 3, captions)
    picture = read_image(str(path))
    height, width = bare.shape[1:]
    left, top = picture.shape[2] - width, picture.shape[1] - height
    shown = picture[:, top:]
    while not shown[:, :, left : left + width].equal(bare):  # a title may be wider than the grid
        left -= 1
        assert left > 0
    for i in range(2):
        assert inked(shown[:, i * height // 2 : (i + 1) * height // 2, : left - GAP])
    for i in range(3):
        over = slice(left + i * width // 3, left + (i + 1) * width // 3)
        assert inked(picture[:, LINE + GAP : top, over])
    assert inked(picture[:, :LINE])


def test_without_texts_it_is_the_bare_grid():
    images = random_images(6)
    for nothing in (None, Captions(), Captions("", ["", "", ""], ["", ""])):
        assert image_grid(images, 3, nothing).equal(image_grid(images, 3))


def test_classes_are_named_above_columns_or_below_images():
    assert Captions.of_images(NAMES[:3] * 4, 3, "t") == Captions("t", columns=NAMES[:3])
    assert Captions.of_images(NAMES[:3] * 4, 6).columns == NAMES[:3] * 2
    assert Captions.of_images([*NAMES[:3], "airplane"], 3).columns == NAMES[:3]
    mixed = NAMES[:7]
    assert Captions.of_images(mixed, 3).images == mixed
    images = random_images(7)
    bare, picture = image_grid(images, 3), image_grid(images, 3, Captions.of_images(mixed, 3))
    pitch = bare.shape[1] // 3
    for row in range(3):
        top = row * (pitch + 1 + LINE)
        assert picture[:, top : top + pitch].equal(bare[:, row * pitch : (row + 1) * pitch])
    below = picture[:, pitch + 1 : pitch + 1 + LINE]
    assert all(inked(below[:, :, i * 49 : (i + 1) * 49]) for i in range(3))


def test_letters_that_the_font_lacks_lose_accents_or_become_question_marks():
    assert drawable("Größe, naïve\n漢") == "Gro?e, naive\n?"
    assert can_draw("naïve?") and not can_draw("漢字") and not can_draw("a\tb")


def test_a_name_without_end_is_cut():
    grid = image_grid(random_images(2), 1)
    picture = captioned(grid, Captions(rows=["x" * 1000, "y"]), 2, 1)
    assert picture.shape[2] <= LONGEST + 2 * GAP + grid.shape[2]
    # Text is at whole pixels, in black on white and few greys: crisp at its size
    ink = np.unique(picture[:, :, : LONGEST - GAP].numpy())
    assert ink.min() < 60 and ink.max() == 255
