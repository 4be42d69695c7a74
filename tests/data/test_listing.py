"""What is hidden, left behind by systems, or unreadable is left out at every depth, with a word."""

import os

import numpy as np
import pytest
import torch
from PIL import Image

from diffusion_lightning.data.listing import IMAGE_SUFFIXES, JUNK, list_files
from tests.support.data import folder_data, save_image

LAYOUTS = {
    "flat": ["{}.png"],
    "classes": ["cat/{}.png", "dog/{}.png"],
    "deep classes": ["cat/2019/{}.png", "dog/a/b/{}.png"],
    "splits": ["train/cat/{}.png", "test/cat/{}.png"],
}
FOLDERS = [
    ".ipynb_checkpoints",
    "__MACOSX",
    "@eaDir",
    ".git",
    "#recycle",
    "$RECYCLE.BIN",
    "lost+found",
    "__pycache__",
]
FILES = [".DS_Store", "Thumbs.db", "THUMBS.DB", "._x.jpg", ".hidden.png", "desktop.ini", "~$x.png"]
UNREADABLE = ["x.heic", "x.HEIF", "x.avif", "x.cr2", "x.psd", "x.svg", "x.npy", "x.mp4", "x.txt", "x"]


def images(root, layout):
    for place in layout:
        for i in range(2):
            save_image(root / place.format(i), i)
    return {path.parent for path in root.rglob("*")}


def all_files(data):
    return {file for images in data._files.values() for file in images.files}


@pytest.mark.parametrize("layout", LAYOUTS.values(), ids=LAYOUTS)
def test_junk_is_left_out_at_every_depth_and_counted(layout, tmp_path, caplog):
    places = images(tmp_path, layout)
    before = folder_data(tmp_path)
    assert not caplog.text
    for place in places:
        for folder in FOLDERS:
            save_image(place / folder / "1-checkpoint.png", 0)
            save_image(place / folder / "deeper" / "2.png", 0)
        for file in FILES:
            (place / file).write_bytes(b"junk")
    after = folder_data(tmp_path)
    assert all_files(after) == all_files(before)
    assert (after.class_names, after.num_classes) == (before.class_names, before.num_classes)
    (line,) = caplog.messages
    assert f"{len(places) * (2 * len(FOLDERS) + len(FILES))} files are left out" in line
    for folder in FOLDERS:
        assert f"{2 * len(places)} in {folder}/" in line
    assert f"{len(places)} Thumbs.db" in line and f"{3 * len(places)} hidden" in line


def test_every_kind_that_cannot_be_read_is_counted(tmp_path, caplog):
    save_image(tmp_path / "cat" / "1.png", 0)
    for name in UNREADABLE:
        (tmp_path / "cat" / name).write_bytes(b"?")
    folder_data(tmp_path)
    (line,) = caplog.messages
    assert f"{len(UNREADABLE)} files are left out" in line and "1 without a suffix" in line
    assert all(f"1 .{name.lower().partition('.')[2]}" in line for name in UNREADABLE if "." in name)


def test_nothing_is_said_where_nothing_is_left_out(tmp_path, caplog):
    images(tmp_path, LAYOUTS["splits"])
    folder_data(tmp_path)
    assert not caplog.text


@pytest.mark.parametrize("suffix", sorted(IMAGE_SUFFIXES))
def test_every_suffix_is_read_in_any_case(suffix, tmp_path):
    Image.init()
    kind = Image.registered_extensions()[suffix]
    mode = "1" if suffix == ".pbm" else "L"
    for name in (f"a{suffix}", f"b{suffix.upper()}"):
        Image.new(mode, (8, 8), 1).save(tmp_path / name, format=kind)
    data = folder_data(tmp_path, image_channels=1)
    data.setup()
    assert len(all_files(data)) == 2


def test_a_data_folder_may_itself_be_hidden(tmp_path):
    save_image(tmp_path / ".cache" / "__MACOSX" / "1.png", 0)
    assert len(list_files(tmp_path / ".cache" / "__MACOSX").images) == 1


def test_junk_is_known_in_lower_case():
    assert {name.lower() for name in JUNK} == JUNK


def test_links_are_followed_once(tmp_path, caplog):
    save_image(tmp_path / "elsewhere" / "1.png", 0)
    (tmp_path / "data" / "cat").mkdir(parents=True)
    (tmp_path / "data" / "cat" / "more").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "cat" / "round").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "dog").symlink_to(tmp_path / "elsewhere")
    data = folder_data(tmp_path / "data")
    assert {str(f.relative_to(tmp_path / "data")) for f in all_files(data)} == {"cat/more/1.png", "dog/1.png"}
    assert "1 link to a folder above" in caplog.text


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="whoever may read everything sees no error")
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path):
    save_image(tmp_path / "cat" / "1.png", 0)
    (tmp_path / "dog").mkdir(mode=0)
    with pytest.raises(PermissionError):
        folder_data(tmp_path)
    (tmp_path / "dog").chmod(0o700)


def test_pixels_of_a_jfif_are_those_of_the_jpeg(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "1.jfif", format="JPEG")
    (tmp_path / "2.jpg").write_bytes((tmp_path / "1.jfif").read_bytes())
    data = folder_data(tmp_path)
    data.setup()
    both = [
        images[0][0] for images in (data.train_images[torch.tensor([0])], data.test_images[torch.tensor([0])])
    ]
    assert both[0].equal(both[1])
