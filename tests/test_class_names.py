"""Classes by number or by name: on the command line, in Python, of a data set."""

import numpy as np
import pytest
import torch

import diffusion_lightning as dl
from diffusion_lightning.class_names import class_numbers
from diffusion_lightning.errors import UserError
from tests.support.in_process import run_here, succeed_here

ANIMALS = ["cat", "Dog", "ice bear", "dog fish", "größe"]


@pytest.mark.parametrize(
    ("classes", "numbers"),
    [
        (["cat"], [0]),
        (["CAT", "dog", "Ice_Bear", "ice-bear", "dogfish", "GRÖSSE"], [0, 1, 2, 2, 3, 4]),
        ([1, "cat", np.int64(2), torch.tensor(3)], [1, 0, 2, 3]),
    ],
)
def test_names_are_meant_in_any_case_and_numbers_are_numbers(classes, numbers):
    assert class_numbers("labels", classes, 5, ANIMALS) == numbers


@pytest.mark.parametrize(
    ("classes", "names", "said"),
    [
        (["cow"], ANIMALS, r"labels: there is no class 'cow'; the classes are cat, Dog, ice bear"),
        (["CAT"], ["cat", "Cat"], r"'CAT' could be the classes 0 \('cat'\) and 1 \('Cat'\); give its number"),
        (["cat"], ["cat", "cat"], "could be the classes 0"),
        (["cat"], None, "these classes have no names; give numbers from 0 to 1"),
        (["x"], [f"class {i}" for i in range(1000)], r"class 19, … \(1000\)"),
        ([2], ["cat", "dog"], "class numbers from 0 to 1 or names, cat, dog"),
    ],
)
def test_what_is_unknown_or_ambiguous_is_one_line(classes, names, said):
    with pytest.raises(UserError, match=said) as error:
        class_numbers("labels", classes, len(names or "ab"), names)
    assert "\n" not in str(error.value)


def test_an_exact_name_wins_over_a_similar_one():
    assert class_numbers("labels", ["Cat", "cat"], 2, ["cat", "Cat"]) == [1, 0]


def test_a_number_that_is_the_name_of_another_class_is_a_number_with_a_word(caplog):
    names = ["10", "1", "0"]
    assert class_numbers("labels", [1, "1", 2, "0"], 3, names) == [1, 1, 2, 2] and not caplog.text
    assert class_numbers("labels", [0], 3, names) == [0]
    assert "0 is taken as the number of the class '10'; the class called 0 has the number 2" in caplog.text


def test_names_draw_what_numbers_draw(trained_digits, tmp_path):
    # The digits' names are their numerals: as texts they are names
    options = [f"checkpoint='{trained_digits}'", "sampler.steps=2", "num_images=4"]
    drawn = []
    for labels in ("labels=[3,1]", "labels=['3','1']"):
        succeed_here("sample.py", *options, labels, "out=drawn", "overwrite=true", cwd=tmp_path)
        with np.load(tmp_path / "drawn" / "samples.npz") as arrays:
            drawn.append((arrays["arr_0"], arrays["arr_1"].tolist()))
    assert drawn[0][1] == drawn[1][1] == [3, 1, 3, 1] and (drawn[0][0] == drawn[1][0]).all()
    done = run_here("sample.py", *options, "labels=cow", "out=new", cwd=tmp_path)
    assert done.returncode == 1 and "there is no class 'cow'; the classes are 0, 1" in done.stderr
    model, walk = dl.load(trained_digits), {"sampler": dl.DDIM(2), "progress": False}
    model.class_names = ["zero", "one", "two", "three", *"456789"]
    images = model.sample("Three", 2, **walk)
    assert images.equal(model.sample([3], 2, **walk)) and images.equal(model.sample(["three"], 2, **walk))
    latents = model.invert(images, ["three", "three"], **walk)
    assert latents.equal(model.invert(images, torch.tensor([3, 3]), **walk))


def test_where_there_are_no_classes_none_can_be_chosen():
    with pytest.raises(
        UserError, match=r"^labels=\[0\]: there are no classes to choose from; leave labels out"
    ):
        class_numbers("labels", [0], 0, None)
