"""Pictures from the page, whole or refused in one line."""

import base64
import io

import pytest
import torch
from PIL import Image

from diffusion_lightning.errors import UserError
from diffusion_lightning.images import data_uri
from diffusion_lightning.page.pictures import painted_over, png, shown, strokes, uploaded


def canvas(size=(5, 4), mode="RGBA", colour=(255, 0, 0, 255), kind="PNG"):
    image, file = Image.new(mode, size), io.BytesIO()
    image.putpixel((1, 2), colour)
    image.save(file, kind)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def test_strokes_are_the_pixels_of_the_canvas():
    painted = strokes(canvas(), (4, 5))
    expected = torch.zeros(4, 4, 5, dtype=torch.uint8)
    expected[[0, 3], 2, 1] = 255
    assert painted.equal(expected)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is no PNG of the page"),
        ("file:///etc/passwd", "is no PNG of the page"),
        ("data:image/png;base64," + "A" * 4_000_000, "is no PNG of the page"),
        ("data:image/png;base64,???", "the drawing is damaged"),
        (canvas()[:-40], "the drawing cannot be read as an image"),
        (data_uri(b"text"), "the drawing cannot be read as an image"),
        (canvas(size=(9, 4)), "another size than the model's images"),
        (canvas(size=(9000, 9000)), "another size than the model's images"),
    ],
)
def test_what_is_no_drawing_is_refused(text, message):
    with pytest.raises(UserError, match=message) as caught:
        strokes(text, (4, 5))
    assert "/tmp" not in str(caught.value) and "\n" not in str(caught.value)


def test_an_upload_is_cropped_to_the_model_and_a_damaged_one_is_refused_by_its_name(tmp_path):
    Image.new("RGB", (40, 20), (10, 200, 30)).save(tmp_path / "wide.png")
    assert uploaded(str(tmp_path / "wide.png"), (3, 8, 8)).equal(
        torch.tensor([10, 200, 30], dtype=torch.uint8).view(3, 1, 1).expand(3, 8, 8)
    )
    whole = (tmp_path / "wide.png").read_bytes()
    for name, content in {"half.png": whole[:60], "text.png": b"#!/bin/sh", "empty.jpg": b""}.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=rf"^{name} cannot be read as an image") as caught:
            uploaded(str(tmp_path / name), (3, 8, 8))
        assert str(tmp_path) not in str(caught.value)


def test_an_upload_that_is_code_or_a_bomb_is_refused_before_it_is_decoded(tmp_path, monkeypatch):
    (tmp_path / "code.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\n")
    (tmp_path / "page.png").write_text('<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>')
    Image.new("1", (8000, 8000)).save(tmp_path / "bomb.png")
    frames = [Image.new("L", (8, 8), level) for level in range(200)]
    frames[0].save(tmp_path / "film.gif", save_all=True, append_images=frames[1:])
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("it was decoded"))
    for name, said in {
        "code.png": "EPS is a program",
        "page.png": "cannot identify image file",
        "bomb.png": "it has more than 50,000,000 pixels",
    }.items():
        with pytest.raises(UserError, match=rf"^{name} cannot be read as an image \(.*{said}") as caught:
            uploaded(str(tmp_path / name), (3, 8, 8))
        assert str(tmp_path) not in str(caught.value)
    monkeypatch.undo()
    assert uploaded(str(tmp_path / "film.gif"), (1, 8, 8)).max() == 0  # its first frame


def test_strokes_cover_what_is_below_them():
    picture = torch.full((1, 4, 5), 77, dtype=torch.uint8)
    white = strokes(canvas(colour=(255, 255, 255, 255)), (4, 5))
    expected = picture.clone()
    expected[0, 2, 1] = 255
    assert painted_over(picture, white).equal(expected)
    colours = painted_over(picture.expand(3, -1, -1), strokes(canvas(), (4, 5)))
    assert colours[:, 2, 1].tolist() == [255, 0, 0] and colours[:, 0, 0].tolist() == [77, 77, 77]


def test_pictures_in_the_page_hold_the_very_pixels_and_names_are_no_html():
    pixels = torch.arange(2 * 4 * 5, dtype=torch.uint8).view(2, 1, 4, 5)
    page = shown(pixels, ["<b>cat</b>", '"dog"'])
    assert "<b>" not in page and "&lt;b&gt;cat" in page and "&quot;dog&quot;" in page
    found = [base64.b64decode(part.split('"')[0]) for part in page.split("base64,")[1:]]
    assert found == [png(picture) for picture in pixels]
    assert list(Image.open(io.BytesIO(found[1])).tobytes()) == list(range(20, 40))
