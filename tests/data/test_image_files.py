import struct

import numpy as np
import pytest
from PIL import Image

from diffusion_lightning.data.image_files import decode
from diffusion_lightning.errors import UserError
from tests.support.data import folder_data, save_image

RNG = np.random.default_rng(0)


GREYS = np.arange(0, 256, 4, dtype=np.uint8).reshape(8, 8)
WHITE, RED, GREEN = (255, 255, 255), (255, 0, 0), (0, 255, 0)


def palette(transparency=None):
    image = Image.new("P", (2, 1))
    image.putpalette([*RED, *GREEN])
    image.putpixel((1, 0), 1)
    return image, {} if transparency is None else {"transparency": transparency}


def half_hidden(mode, hidden, shown):
    image = Image.new(mode, (2, 1), hidden)
    image.putpixel((1, 0), shown)
    return image, {}


def animated():
    first, second = (Image.new("RGB", (2, 1), colour) for colour in (GREEN, RED))
    return first, {"save_all": True, "append_images": [second]}


def one_bit():
    image = Image.new("1", (2, 1))
    image.putpixel((1, 0), 1)
    return image, {}


@pytest.mark.parametrize(
    ("name", "written", "pixels"),
    [
        ("palette.png", palette(), [RED, GREEN]),
        ("palette.gif", palette(), [RED, GREEN]),
        ("transparent palette.png", palette(0), [WHITE, GREEN]),
        ("transparent colour.png", (Image.new("RGB", (2, 1), RED), {"transparency": RED}), [WHITE, WHITE]),
        ("rgba.png", half_hidden("RGBA", (0, 0, 0, 0), (*RED, 255)), [WHITE, RED]),
        ("half seen.png", half_hidden("RGBA", (0, 0, 0, 51), (*RED, 255)), [(204,) * 3, RED]),
        ("rgba.webp", half_hidden("RGBA", (0, 0, 0, 0), (*RED, 255)), None),
        ("la.png", half_hidden("LA", (0, 0), (9, 255)), [WHITE, (9,) * 3]),
        ("1 bit.png", one_bit(), [(0,) * 3, WHITE]),
        ("1 bit.bmp", one_bit(), [(0,) * 3, WHITE]),
        ("cmyk.tiff", (Image.new("CMYK", (2, 1), (0, 255, 255, 0)), {}), [RED, RED]),
        ("cmyk.jpg", (Image.new("CMYK", (2, 1), (0, 255, 255, 0)), {"quality": 100}), [RED, RED]),
        ("animated.gif", animated(), [GREEN, GREEN]),
        ("animated.png", animated(), [GREEN, GREEN]),
        ("animated.webp", animated(), None),
    ],
)
def test_any_kind_of_image_decodes_to_what_is_seen(name, written, pixels, tmp_path):
    image, options = written
    image.save(tmp_path / name, **options)
    seen = np.asarray(decode(tmp_path / name, 3))
    if pixels is None:  # lossy
        pixels = [GREEN, GREEN] if name.startswith("animated") else [WHITE, RED]
        np.testing.assert_allclose(seen[0], pixels, atol=90)
    else:
        np.testing.assert_array_equal(seen[0], pixels)
    grey = np.asarray(decode(tmp_path / name, 1))
    np.testing.assert_array_equal(grey, np.asarray(Image.fromarray(seen).convert("L")))


@pytest.mark.parametrize("dtype", [np.uint16, np.int32])
@pytest.mark.parametrize("kind", ["png", "tiff", "pgm"])
def test_16_bits_become_8_instead_of_white(kind, dtype, tmp_path):
    path = tmp_path / f"deep.{kind}"
    deep = GREYS.astype(dtype) * 257
    if kind == "pgm":
        path.write_bytes(b"P5 8 8 65535\n" + deep.astype(">u2").tobytes())
    elif (kind, dtype) == ("png", np.int32):
        pytest.skip("no such PNG")
    else:
        Image.fromarray(deep).save(path)
    for channels in (1, 3):
        seen = np.asarray(decode(path, channels)).reshape(8, 8, -1)
        np.testing.assert_array_equal(seen, np.repeat(GREYS[..., None], channels, 2))


def unreadable_images(folder):
    save_image(folder / "good.png", RED, (60, 60))
    good = (folder / "good.png").read_bytes()
    Image.fromarray(RNG.integers(0, 256, (60, 60, 3), dtype=np.uint8)).save(folder / "good.jpg")
    (folder / "empty.png").write_bytes(b"")
    (folder / "text.png").write_text("hello")
    (folder / "half.png").write_bytes(good[: len(good) // 2])
    (folder / "half.jpg").write_bytes((folder / "good.jpg").read_bytes()[:900])
    (folder / "link.png").symlink_to(folder / "absent.png")
    Image.fromarray(np.full((2, 2), 0.5, np.float32)).save(folder / "float.tiff")
    Image.fromarray(np.full((2, 2), 70_000, np.int32)).save(folder / "32 bit.tiff")
    # A header that says 30,000 x 30,000
    (folder / "bomb.png").write_bytes(good[:16] + struct.pack(">II", 30_000, 30_000) + good[24:])


@pytest.mark.parametrize(
    "name",
    ["empty.png", "text.png", "half.png", "half.jpg", "link.png", "float.tiff", "32 bit.tiff", "bomb.png"],
)
def test_an_unreadable_image_is_one_line_that_names_it(name, tmp_path):
    everything, alone = tmp_path / "everything", tmp_path / "alone"
    everything.mkdir()
    alone.mkdir()
    unreadable_images(everything)
    (everything / name).rename(alone / name)
    (everything / "good.png").rename(alone / "good.png")
    with pytest.raises(UserError, match=name) as error:
        folder_data(alone).setup()
    assert "\n" not in str(error.value)
