import csv

from diffusion_lightning.tables import write_csv, write_markdown

ROWS = [{"name": "a, b", "fid": 1.2345678, "n": 3}, {"name": "c", "fid": 1e-9, "n": 12345678}]


def test_a_csv_holds_every_digit(tmp_path):
    write_csv(ROWS, tmp_path / "t.csv")
    with (tmp_path / "t.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{"name": r["name"], "fid": float(r["fid"]), "n": int(r["n"])} for r in rows] == ROWS


def test_markdown_rounds_to_five_digits(tmp_path):
    write_markdown(ROWS, tmp_path / "t.md")
    lines = (tmp_path / "t.md").read_text().splitlines()
    assert lines[:2] == ["| name | fid | n |", "| --- | --- | --- |"]
    assert lines[2:] == ["| a, b | 1.2346 | 3 |", "| c | 1e-09 | 12345678 |"]
