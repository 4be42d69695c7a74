import json

import pytest

from diffusion_lightning.files import atomic_write, write_json


def test_a_file_is_replaced_when_all_of_it_is_written(tmp_path):
    file = tmp_path / "a.txt"
    file.write_text("old")
    with atomic_write(file) as opened:
        opened.write("new")
        opened.flush()
        assert file.read_text() == "old"
    assert file.read_text() == "new" and list(tmp_path.iterdir()) == [file]


def test_an_error_leaves_the_old_file_and_no_other(tmp_path):
    file = tmp_path / "a.bin"
    file.write_bytes(b"old")
    with pytest.raises(RuntimeError), atomic_write(file, "wb") as opened:
        opened.write(b"new")
        raise RuntimeError
    assert file.read_bytes() == b"old" and list(tmp_path.iterdir()) == [file]


def test_two_writers_do_not_write_into_each_other(tmp_path):
    file = tmp_path / "a.txt"
    with atomic_write(file, writer="1") as one:
        one.write("one")
        with atomic_write(file, writer="2") as two:
            two.write("two")
        assert file.read_text() == "two"
    assert file.read_text() == "one" and list(tmp_path.iterdir()) == [file]


def test_json_is_valid_whatever_the_numbers(tmp_path):
    value = {
        "a": float("nan"),
        "b": [1.5, float("inf"), {"c": float("-inf")}],
        "d": None,
        "e": True,
        "f": "nan",
    }
    write_json(value, tmp_path / "x.json")
    text = (tmp_path / "x.json").read_text()
    read = json.loads(text, parse_constant=pytest.fail)
    assert read == {"a": None, "b": [1.5, None, {"c": None}], "d": None, "e": True, "f": "nan"}
