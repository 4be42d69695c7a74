"""Splits are found whatever their usual spelling, and what is doubtful is refused with what to type."""

import pytest
import torch

from diffusion_lightning.data.splits import SPELLINGS, split_named
from diffusion_lightning.errors import UserError
from tests.support.data import folder_data, save_image

STYLES = [
    *(str.lower, str.upper, str.title, "{}_set".format, "{}-images".format, "{} data".format, "{}set".format),
    *("{}2017".format, "images_{}".format, "01_{}".format),
]


def spellings(split):
    return [style(name) for name in sorted(SPELLINGS[split]) for style in STYLES]


def folder(root, *names):
    """A folder with a small image of its own at each of these paths."""
    for value, name in enumerate(names):
        save_image(root / name, (value, 0, 255))
    return root


def files(data, train):
    return [str(file.relative_to(data.data_dir)) for file in data._files[train].files]


@pytest.mark.parametrize("split", SPELLINGS)
def test_every_usual_spelling_is_a_split(split):
    assert {name: split_named(name) for name in spellings(split)} == dict.fromkeys(spellings(split), split)


@pytest.mark.parametrize(
    "name", ["cat", "trains", "testament", "contest", "Evaline", "trainee", "data", "set"]
)
def test_other_words_are_no_splits(name):
    assert split_named(name) is None


@pytest.mark.parametrize("held_out", ["testing", "Val", "DEV", "eval", "validation_set", "val2017"])
@pytest.mark.parametrize("train", ["training", "Train", "TRAIN", "train_images"])
def test_no_test_image_is_trained_on(train, held_out, tmp_path):
    root = folder(tmp_path, f"{train}/cat/1.png", f"{train}/dog/2.png", f"{held_out}/cat/3.png")
    save_image(root / held_out / "dog" / "4.png", 0)
    data = folder_data(root)
    assert data.class_names == ["cat", "dog"]
    assert files(data, True) == [f"{train}/cat/1.png", f"{train}/dog/2.png"]
    assert files(data, False) == [f"{held_out}/cat/3.png", f"{held_out}/dog/4.png"]


def test_a_test_set_is_preferred_to_a_validation_set_and_the_rest_is_counted(tmp_path, caplog):
    root = folder(
        tmp_path, "Train/1.png", "valid/2.png", "valid/3.png", "Test/4.png", "logo.png", "masks/5.png"
    )
    data = folder_data(root)
    assert (files(data, True), files(data, False)) == (["Train/1.png"], ["Test/4.png"])
    assert "4 files are left out (2 in valid/, 1 beside the splits, 1 in masks/)" in caplog.text


DOUBTFUL = {
    "no test images": ["train/cat/1.png", "cat/2.png"],
    "test images alone": ["testing/1.png", "cat/2.png"],
    "no training images": ["val/1.png", "test/2.png"],
    "two training sets": ["train/1.png", "Training/2.png", "test/3.png"],
    "two test sets": ["train/1.png", "test/2.png", "testing/3.png"],
    "domains": ["trainA/1.png", "trainB/2.png", "testA/3.png", "testB/4.png"],
    "names that hold more": ["cats train/1.png", "cats test/2.png"],
    "splits and classes": ["bus/1.png", "train/2.png", "car/3.png"],
}


@pytest.mark.parametrize("names", DOUBTFUL.values(), ids=DOUBTFUL)
def test_what_looks_like_splits_is_refused_with_what_to_type(names, tmp_path):
    root = folder(tmp_path, *names)
    with pytest.raises(UserError, match=r"dataset\.splits=\[<training folder>,<test folder>\].*splits=\[\]"):
        folder_data(root)
    if all(name.count("/") == 1 for name in names):
        classes = folder_data(root, splits=[])
        assert classes.class_names == sorted(name.partition("/")[0] for name in names)
    first, second = (name.partition("/")[0] for name in names[:2])
    named = folder_data(root, splits=[first, second], class_names=None) if "cat/" not in names[0] else None
    if named:
        assert (files(named, True), files(named, False)) == ([names[0]], [names[1]])


NESTED = {
    "a folder within": (["photos/train/1.png", "photos/Testing/2.png"], r"set data_dir=.*/photos"),
    "deeper": (["a/b/train/cat/1.png", "a/b/val/cat/2.png"], r"set data_dir=.*/a/b"),
    "below the classes": (
        ["cat/train/1.png", "cat/test/2.png", "dog/train/3.png"],
        "move the splits to the top",
    ),
    "within a split": (
        ["train/x/train/1.png", "train/x/val/2.png", "test/x/3.png"],
        r"splits=\[train,test\]",
    ),
}


@pytest.mark.parametrize(("names", "advice"), NESTED.values(), ids=NESTED)
def test_splits_within_other_folders_are_refused(names, advice, tmp_path):
    with pytest.raises(UserError, match=advice):
        folder_data(folder(tmp_path, *names))
    splits = ["train", "test"] if names[0].startswith("train/") else []
    assert len(files(folder_data(tmp_path, splits=splits), True)) >= 1


def test_classes_may_be_called_like_splits_within_splits(tmp_path):
    names = [f"{split}/{name}/1.png" for split in ("train", "test") for name in ("bus", "train")]
    assert folder_data(folder(tmp_path, *names)).class_names == ["bus", "train"]


def test_splits_that_are_named_must_be_two_folders_apart(tmp_path):
    folder(tmp_path, "a/1.png", "a/b/2.png", "c/3.png")
    for splits in (["a"], ["a", "nowhere"], ["a", "b", "c"]):
        with pytest.raises(UserError, match="it must be two folders below"):
            folder_data(tmp_path, splits=splits)
    for splits in (["a", "a"], ["a", "a/b"], [".", "c"]):
        with pytest.raises(UserError, match="no image may be in both"):
            folder_data(tmp_path, splits=splits)
    data = folder_data(tmp_path, splits=["c", "a/b"])
    assert (files(data, True), files(data, False)) == (["c/3.png"], ["a/b/2.png"])
    data.setup()
    assert torch.equal(data.train_images[torch.tensor([0])][1], torch.tensor([0]))


def test_a_folder_without_images_is_no_split(tmp_path):
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    (tmp_path / "test" / "notes.txt").write_text("none yet")
    assert folder_data(folder(tmp_path, "cat/1.png", "dog/2.png")).class_names == ["cat", "dog"]
