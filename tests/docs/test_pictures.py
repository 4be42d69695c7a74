"""Every picture of results/ is drawn by the command beside it."""

import shlex

import numpy as np
import pytest
from PIL import Image

from docs import draw_pictures
from docs.draw_pictures import RESULTS, Picture, comparison, listed, pixels, redraw
from tests.support.pages import read

PICTURES = listed(read("results/README.md"))


def test_there_are_pictures_and_they_are_there():
    assert PICTURES and len({picture.name for picture in PICTURES}) == len(PICTURES)
    assert [picture.name for picture in PICTURES if not (RESULTS / picture.name).is_file()] == []


@pytest.mark.parametrize("picture", PICTURES, ids=lambda picture: picture.name)
def test_a_picture_is_drawn_alike_everywhere(picture):
    """From a model that comes along, in float32."""
    script, *options = shlex.split(picture.command)
    assert script == "sample.py" and "speed=plain" in options
    assert [option for option in options if option.startswith("checkpoint=zoo:")]


@pytest.mark.slow
@pytest.mark.parametrize(
    "picture", [p for p in PICTURES if "data_dir" not in p.command], ids=lambda p: p.name
)
def test_a_picture_is_what_its_command_draws(picture, tmp_path):
    assert comparison(RESULTS / picture.name, picture.draw(tmp_path / "out"))[0] in (
        "equal",
        "one level apart",
    )


def image(file, level, size=(4, 3)):
    Image.new("L", size, level).save(file)
    return file


def drawing(monkeypatch, level, size=(4, 3)):
    """Pictures whose command draws one grey level."""

    def draw(self, folder):
        folder.mkdir()
        return image(folder / "grid.png", level, size)

    monkeypatch.setattr(Picture, "draw", draw)


@pytest.mark.parametrize(
    ("level", "size", "said", "kept"),
    [
        (7, (4, 3), "equal", 7),
        (8, (4, 3), "one level apart", 7),
        (9, (4, 3), "2 levels apart, replaced", 9),
        (7, (4, 4), "another size, replaced", 7),
    ],
)
def test_what_differs_by_more_than_rounding_is_replaced(level, size, said, kept, tmp_path, monkeypatch):
    image(tmp_path / "a.png", 7)
    drawing(monkeypatch, level, size)
    assert redraw(Picture("a.png", ""), tmp_path) == said
    assert np.unique(pixels(tmp_path / "a.png")) == [kept]
    assert pixels(tmp_path / "a.png").shape == (
        1,
        *((3, 4) if size == (4, 3) or "levels" in said else (4, 4)),
        3,
    )


def test_what_was_not_there_is_new(tmp_path, monkeypatch):
    drawing(monkeypatch, 5)
    assert redraw(Picture("a.png", ""), tmp_path) == "new, replaced"
    assert (tmp_path / "a.png").is_file()


def test_a_name_that_is_not_listed_is_refused():
    with pytest.raises(SystemExit, match=r"error: results/README.md has no command for x.png"):
        draw_pictures.main(["x.png"])
