import pytest

from diffusion_lightning.files import atomic_write


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
