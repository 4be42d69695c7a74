"""Labels from a table beside the images, as Hugging Face's `imagefolder` reads them."""

import csv
import io
import json

import pytest

from diffusion_lightning.errors import UserError
from tests.support.data import folder_data, save_image


def as_csv(rows):
    text = io.StringIO()
    table = csv.DictWriter(text, rows[0])
    table.writeheader()
    table.writerows(rows)
    return text.getvalue()


def as_jsonl(rows):
    return "".join(json.dumps(row) + "\n" for row in rows)


FORMATS = {
    "metadata.csv": as_csv,
    "metadata.jsonl": as_jsonl,
    "METADATA.CSV": lambda rows: "\ufeff" + as_csv(rows),
}


def labelled(root, table, labels, **more):
    """Images of these labels, and the table that says so."""
    rows = [{"file_name": name, "label": label, **more} for name, label in labels.items()]
    for name in labels:
        save_image(root / name.replace("\\", "/"), 0)
    (root / table).write_text(FORMATS[table](rows), encoding="utf-8")
    return root


def classes_of(data, train=True):
    """File name → the name or number of its class."""
    images = data._files[train]
    names = data.class_names
    return {f.name: names[y] for f, y in zip(images.files, images.labels.tolist(), strict=True)}


@pytest.mark.parametrize("table", FORMATS)
@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["dog", "cat", "dog", "größe"], ["cat", "dog", "größe"]),
        ([10, 2, 2, 9], ["2", "9", "10"]),
        ([0, 1, 0, 1], ["0", "1"]),
        (["1", "b", "1", "b"], ["1", "b"]),
    ],
)
def test_a_table_gives_the_labels_of_a_flat_folder(table, labels, names, tmp_path, caplog):
    told = {f"{i}.png": label for i, label in enumerate(labels)}
    root = labelled(tmp_path, table, told, caption="unused")
    data = folder_data(root)
    assert (data.class_names, data.num_classes) == (names, len(names)) and not caplog.text
    found = classes_of(data) | classes_of(data, train=False)
    assert found == {name: str(label) for name, label in told.items()}


@pytest.mark.parametrize("table", FORMATS)
def test_tables_of_the_splits_or_one_for_both(table, tmp_path):
    for split in ("train", "test"):
        labelled(tmp_path / "own" / split, table, {"a.png": "cat", "deep\\b.png": "dog"})
    told = {"train/a.png": "cat", "train/deep/b.png": "dog", "test/a.png": "cat"}
    labelled(tmp_path / "one", table, told)
    for name in ("own", "one"):
        data = folder_data(tmp_path / name)
        assert classes_of(data) == {"a.png": "cat", "b.png": "dog"} and data.class_names == ["cat", "dog"]
        assert classes_of(data, train=False)["a.png"] == "cat"  # a rare class may be missing in the test set


def test_the_table_wins_over_folders(tmp_path):
    data = folder_data(
        labelled(tmp_path, "metadata.csv", {"x/1.png": "cat", "x/2.png": "dog", "y/3.png": "dog"})
    )
    assert data.class_names == ["cat", "dog"]


def test_class_names_order_the_names_or_name_the_numbers(tmp_path):
    labelled(tmp_path / "names", "metadata.csv", {"1.png": "cat", "2.png": "dog", "3.png": "dog"})
    labelled(tmp_path / "numbers", "metadata.csv", {"1.png": 0, "2.png": 2, "3.png": 2})
    named = folder_data(tmp_path / "names", class_names=["dog", "cat"])
    assert named.class_names == ["dog", "cat"]
    numbered = folder_data(tmp_path / "numbers", class_names=["cat", "bird", "dog"])
    found = classes_of(numbered) | classes_of(numbered, train=False)
    assert found == {"1.png": "cat", "2.png": "dog", "3.png": "dog"} and numbered.num_classes == 3
    with pytest.raises(UserError, match=r"has the classes \['0', '2'\], expected \['cat', 'dog'\]"):
        folder_data(tmp_path / "numbers", class_names=["cat", "dog"])


def test_a_table_of_something_else_is_left_out_with_a_word(tmp_path, caplog):
    save_image(tmp_path / "cat" / "1.png", 0)
    save_image(tmp_path / "dog" / "1.png", 0)
    (tmp_path / "metadata.csv").write_text("author,licence\nme,CC0\n")
    assert folder_data(tmp_path).class_names == ["cat", "dog"]
    assert "1 metadata.csv without file_name and label" in caplog.text


BAD = {
    "no such image": ('{"file_name": "2.png", "label": 0}', "there is no image"),
    "outside of the folder": ('{"file_name": "../1.png", "label": 0}', "there is no image"),
    "named twice": (
        '{"file_name": "1.png", "label": 0}\n{"file_name": "1.png", "label": 1}',
        "a label already",
    ),
    "no label": ('{"file_name": "1.png", "label": null}', "label is None"),
    "an empty label": ('{"file_name": "1.png", "label": " "}', "label is ' '"),
    "several labels": ('{"file_name": "1.png", "label": [1, 2]}', "it must be one class"),
    "half a class": ('{"file_name": "1.png", "label": 0.5}', "it must be one class"),
    "no object": ("[1, 2]", "each line must be an object"),
    "no JSON": ("1.png,0", "cannot be read"),
}


@pytest.mark.parametrize(("text", "said"), BAD.values(), ids=BAD)
def test_bad_rows_are_refused(text, said, tmp_path):
    save_image(tmp_path / "1.png", 0)
    (tmp_path / "metadata.jsonl").write_text(text + "\n")
    with pytest.raises(UserError, match="metadata.jsonl") as error:  # noqa: RUF043
        folder_data(tmp_path)
    assert said in str(error.value) and "\n" not in str(error.value)


def test_an_image_without_a_row_and_two_tables_are_refused(tmp_path):
    labelled(tmp_path, "metadata.csv", {"1.png": "cat"})
    save_image(tmp_path / "2.png", 0)
    with pytest.raises(UserError, match=r"2\.png has no row .* one of 1 such images"):
        folder_data(tmp_path)
    (tmp_path / "metadata.jsonl").write_text(as_jsonl([{"file_name": "1.png", "label": "cat"}]))
    with pytest.raises(UserError, match="has a label already"):
        folder_data(tmp_path)
