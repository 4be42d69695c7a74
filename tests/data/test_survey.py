"""Values that use a part of their range are remarked on, and what else an image loses; a range helps."""

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_lightning.data.base import TensorImages
from diffusion_lightning.data.image_files import decode
from diffusion_lightning.data.survey import remarks_on_pixels
from diffusion_lightning.errors import UserError
from tests.support.data import batches_of, digits, folder_data
from tests.support.deep_images import deep_png

RAMP = np.linspace(0, 1, 64).reshape(8, 8)


def grey(path, levels):
    Image.fromarray(levels).save(path)


def colour(path, levels):
    deep_png(path, np.stack([levels, levels[::-1], levels.T], -1))


def with_alpha(path, levels):
    opaque = np.full_like(levels, 65535)
    deep_png(path, np.stack([levels, levels[::-1], levels.T, opaque], -1))


def grey_with_alpha(path, levels):
    deep_png(path, np.stack([levels, np.full_like(levels, 65535)], -1))


def pgm(path, levels):
    path.write_bytes(b"P5 8 8 65535\n" + levels.astype(">u2").tobytes())


WRITERS = {
    **{"grey.png": grey, "grey.tiff": grey, "grey.pgm": pgm, "rgb.png": colour, "rgba.png": with_alpha},
    "la.png": grey_with_alpha,
}
DEPTHS = {8: 255, 10: 1023, 12: 4095, 14: 16383}


def warnings_of(data, caplog):
    caplog.clear()
    data.setup()
    return caplog.text


@pytest.mark.parametrize("bits", DEPTHS)
@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("memory_limit", [4e9, 0])
def test_fewer_bits_than_the_file_has_are_noticed_and_stretched(name, bits, memory_limit, tmp_path, caplog):
    top = DEPTHS[bits]
    levels = (RAMP * top).round().astype(np.uint16)
    WRITERS[name](tmp_path / name, levels)
    channels = 1 if name.startswith(("grey", "la")) else 3
    options = {"image_channels": channels, "memory_limit": memory_limit}
    said = warnings_of(folder_data(tmp_path, **options), caplog)
    assert f"16-bit images go from 0 to {top} of 65535" in said and f"value_range=[0,{top}]" in said
    data = folder_data(tmp_path, value_range=[0, top], **options)
    assert "value" not in warnings_of(data, caplog)
    ((x, _),) = batches_of(data, train=False)
    np.testing.assert_allclose(x[0, 0], levels / top * 2 - 1, atol=1.01 / 255)


@pytest.mark.parametrize("name", WRITERS)
def test_the_whole_range_needs_no_word(name, tmp_path, caplog):
    WRITERS[name](tmp_path / name, (RAMP * 65535).round().astype(np.uint16))
    said = warnings_of(folder_data(tmp_path, image_channels=1 if name[0] in "gl" else 3), caplog)
    assert "value" not in said


def test_deep_colours_in_a_tiff_are_noticed_and_cannot_be_stretched(tmp_path, caplog, monkeypatch):
    # Nothing here writes such a TIFF; a PNG's bytes stand for it where the format decides
    colour(tmp_path / "a.png", (RAMP * 4095).round().astype(np.uint16))
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.format", "TIFF")
    assert "from 0 to 3855 of 65535" in warnings_of(folder_data(tmp_path), caplog)
    with pytest.raises(UserError, match="save it as PNG, or in 8 bits"):
        decode(tmp_path / "a.png", 3, (0, 4095))


@pytest.mark.parametrize("low", [0, 100])
def test_8_bits_of_which_a_part_is_used(low, tmp_path, caplog):
    levels = (low + RAMP * 15).round().astype(np.uint8)
    Image.fromarray(levels).save(tmp_path / "a.png")
    said = warnings_of(folder_data(tmp_path, image_channels=1), caplog)
    assert f"8-bit images go from {low} to {low + 15} of 255" in said
    data = folder_data(tmp_path, image_channels=1, value_range=[low, low + 15])
    assert not warnings_of(data, caplog)
    ((x, _),) = batches_of(data, train=True)
    torch.testing.assert_close(x[0, 0], torch.from_numpy((levels - low) / 7.5 - 1).float(), atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("dtype", "low", "high"),
    [(np.float32, 0.0, 1.0), (np.float32, -1.0, 1.0), (np.int32, -1000, 3000), (np.int32, 0, 2**20)],
)
def test_values_that_have_no_range_of_their_own_need_one(dtype, low, high, tmp_path, caplog):
    levels = (low + RAMP * (high - low)).astype(dtype)
    Image.fromarray(levels).save(tmp_path / "a.tiff")
    with pytest.raises(UserError, match=r"a\.tiff .*value_range=\[<black>,<white>\]"):
        warnings_of(folder_data(tmp_path, image_channels=1), caplog)
    data = folder_data(tmp_path, image_channels=1, value_range=[low, high])
    assert not warnings_of(data, caplog)
    ((x, _),) = batches_of(data, train=False)
    np.testing.assert_allclose(x[0, 0], (levels - low) / (high - low) * 2 - 1, atol=1.01 / 255)
    Image.fromarray(np.full((8, 8), np.nan, np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(UserError, match=r"a\.tiff"):
        data = folder_data(tmp_path, image_channels=1, value_range=[low, high])
        data.setup()


def test_a_few_bright_images_hide_no_dark_ones(tmp_path, caplog):
    for i in range(9):
        grey(tmp_path / f"{i}.png", (RAMP * (65535 if i == 4 else 4095)).astype(np.uint16))
    assert "half of them reach no more than 4095" in warnings_of(folder_data(tmp_path), caplog)


def test_each_depth_of_a_mixed_set_is_looked_at(tmp_path, caplog):
    Image.fromarray((RAMP * 255).astype(np.uint8)).save(tmp_path / "a.png")
    for name in "bc":
        grey(tmp_path / f"{name}.png", (RAMP * 4095).astype(np.uint16))
    said = warnings_of(folder_data(tmp_path), caplog)
    assert "2 16-bit images go from 0 to 4095" in said and "8-bit" not in said


@pytest.mark.parametrize(
    ("value_range", "said"), [([0, 2000], "cuts what lies outside"), ([0, 60000], "contrast")]
)
def test_a_range_that_does_not_fit_is_remarked_on(value_range, said, tmp_path, caplog):
    grey(tmp_path / "a.png", (RAMP * 4095).astype(np.uint16))
    assert said in warnings_of(folder_data(tmp_path, value_range=value_range), caplog)


@pytest.mark.parametrize("value_range", [[0], [0, 0], [5, 1], [0, 1, 2]])
def test_a_range_is_two_rising_values(value_range, tmp_path):
    grey(tmp_path / "a.png", (RAMP * 4095).astype(np.uint16))
    with pytest.raises(UserError, match="value_range is"):
        folder_data(tmp_path, value_range=value_range)


def test_the_range_is_part_of_what_cached_statistics_are_of(tmp_path):
    grey(tmp_path / "a.png", (RAMP * 4095).astype(np.uint16))
    whole, stretched = (folder_data(tmp_path, memory_limit=0, value_range=r) for r in (None, [0, 4095]))
    whole.setup()
    stretched.setup()
    assert whole.train_images.key() != stretched.train_images.key()


def test_orientation_counts_at_every_depth(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 3  # taken upside down
    levels = (RAMP * 4095).round().astype(np.uint16)
    colour(tmp_path / "a.png", levels)
    with Image.open(tmp_path / "a.png") as image:
        eight_bits = image.convert("RGB")
    eight_bits.save(tmp_path / "b.png", exif=exif)
    deep_png(tmp_path / "c.png", np.stack([levels, levels[::-1], levels.T], -1), exif=exif)
    upright = np.asarray(decode(tmp_path / "a.png", 3, (0, 4095)))
    for name, white in (("b.png", 15), ("c.png", 4095)):
        turned = np.asarray(decode(tmp_path / name, 3, (0, white))).astype(int)
        assert np.abs(turned - upright[::-1, ::-1]).max() <= 17


GREY, COLOURS = Image.fromarray((RAMP * 255).astype(np.uint8)), Image.linear_gradient("L").resize((8, 8))


@pytest.mark.parametrize(
    ("image", "channels", "said"),
    [
        (Image.merge("RGB", [GREY, COLOURS, GREY]), 1, "1 of 1 images have colours"),
        (Image.merge("RGB", [GREY, COLOURS, GREY]), 3, None),
        (GREY, 3, "all of 1 images are grey"),
        (GREY.convert("RGB"), 3, "all of 1 images are grey"),
        (GREY, 1, None),
        (GREY.convert("P"), 1, None),
        (Image.merge("LA", [GREY, COLOURS]), 1, "1 of 1 images have transparent pixels"),
        (Image.merge("RGBA", [GREY, COLOURS, GREY, COLOURS]), 3, "1 of 1 images have transparent pixels"),
    ],
)
def test_what_is_lost_of_an_image_is_said(image, channels, said, tmp_path, caplog):
    image.save(tmp_path / "a.png")
    found = warnings_of(folder_data(tmp_path, image_channels=channels), caplog)
    assert said in found if said else not found


def test_the_other_frames_of_a_file_are_said_to_be_left_out(tmp_path, caplog):
    GREY.save(tmp_path / "a.tiff", save_all=True, append_images=[GREY, GREY])
    assert "1 of 1 files hold several images" in warnings_of(folder_data(tmp_path, image_channels=1), caplog)


def test_any_data_set_is_looked_at(caplog):
    class Faint(type(digits())):
        def load(self, train):
            images = super().load(train)
            return TensorImages(images.images // 16, images.labels)

    assert not warnings_of(digits(), caplog)
    faint = Faint("", 64, 1, 8, 10)
    assert "Faint: the values of 100 images go from 0 to 15 only" in warnings_of(faint, caplog)
    assert not list(
        remarks_on_pixels(TensorImages(torch.tensor([[[[0, 255]]]], dtype=torch.uint8), torch.zeros(1)))
    )
