"""The page of a run or a sweep: the files' figures, nothing from elsewhere, no name that does anything."""

import re
from html.parser import HTMLParser
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from diffusion_lightning.hashing import file_sha256
from diffusion_lightning.runs.page import names_of, run_page, sweep_page
from diffusion_lightning.runs.pictures import MOST_BYTES, embedded, spread
from diffusion_lightning.runs.run import Run
from diffusion_lightning.runs.sweep import Sweep
from tests.support.run_folders import (
    CONFIG,
    LOSSES,
    grid,
    write_evaluation,
    write_failure,
    write_run,
    write_table,
)

VOID = {"meta", "img"}


class Page(HTMLParser):
    """A page as a browser sees it: its elements, text, tables and ids."""

    def __init__(self, text):
        super().__init__()
        self.source, self.open, self.elements, self.tables, self.text = text, [], [], {}, []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.rows = []
        if tag == "tr":
            self.rows.append([])
        if tag in ("th", "td"):
            self.rows[-1].append("")

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        if tag == "table":
            self.tables.setdefault(self.caption, []).append(self.rows)

    def handle_data(self, data):
        self.text.append(data)
        if self.open[-1:] == ["caption"]:
            self.caption = data
        if {"th", "td"} & {*self.open[-2:]}:
            self.rows[-1][-1] += data

    def table(self, caption):
        (rows,) = self.tables[caption]
        return {name: cells for name, *cells in rows}

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


def of_run(*folders, **options):
    return Page(run_page([Run.read(folder) for folder in folders], **options))


def check_self_contained(page):
    """Nothing is loaded, run or fetched, and links lead to places of the page."""
    assert not {tag for tag, _ in page.elements} & {
        "script",
        "link",
        "iframe",
        "object",
        "embed",
        "base",
        "form",
    }
    for _, attributes in page.elements:
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "srcset", "href", "data", "action", "xlink:href"):
            assert attributes.get(name, "#").startswith(
                ("#", "data:image/png;base64,", "data:image/jpeg;base64,")
            )
    assert "url(" not in page.source and "@import" not in page.source
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len({*ids}) == len(ids) and {a["href"][1:] for a in page.all("a")} <= {*ids}


def check_accessible(page):
    assert page.all("html")[0]["lang"] == "en" and page.all("title")
    assert all(picture.get("alt") for picture in page.all("img"))
    assert all("aria-label" in svg or svg.get("aria-hidden") for svg in page.all("svg"))
    assert all(header.get("scope") in ("col", "row") for header in page.all("th"))
    assert len(page.all("table")) == len(page.all("caption")) and len(page.all("h1")) == 1
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_the_page_says_what_the_files_say(tmp_path):
    folder = write_run(tmp_path / "run")
    write_evaluation(folder / "evaluation", "abc")
    page = of_run(folder)
    check_self_contained(page)
    check_accessible(page)
    figures = page.table("measured during training")
    assert figures["validation loss"] == [f"{LOSSES[-1]}", f"{min(LOSSES)}", "2,560 images"]
    assert figures["FID of the test images, the floor"] == ["0.7", "", ""]
    assert page.table("evaluation") == {
        "": ["100 images", "as many test images", "all test images"],
        "fid": ["12.5", "2.25", "0.71"],
        "kid": ["none", "", "0.001"],
        "accuracy": ["0.75", "0.97", "0.98"],
    }
    assert "kid of 100 images: too few images" in page.text
    assert page.table("config of run")["optimizer.lr"] == ["0.001"]
    glance, source = page.table("at a glance"), page.table("where it comes from")
    assert glance["state"] == ["finished"] and glance["schedule"] == ["Linear(T=1000)"]
    assert glance["images seen"] == ["2,560"] and glance["command line"] == ["seed=3"]
    assert source["its SHA-256"] == [file_sha256(folder / "checkpoints" / "last.ckpt")]
    assert source["versions"] == [f"torch 2.9.0, commit {'c' * 40}"]
    assert source["data (SHA-256)"] == ["a" * 64] and source["seed"] == ["3"]
    assert "val/loss: 0.2 after 2,560 images" in page.text
    assert len(page.all("img")) == len(LOSSES)


def test_two_runs_are_side_by_side_with_what_differs(tmp_path):
    other = CONFIG | {"seed": 4, "optimizer": CONFIG["optimizer"] | {"lr": 0.5}, "data_dir": "there"}
    one = write_run(tmp_path / "a" / "run")
    page = of_run(one, write_run(tmp_path / "b" / "run", (2.0, 1.5), other))
    rows = next(iter(page.tables["config: what differs"]))
    assert [name for name, *_ in rows] == ["option", "optimizer.lr", "seed", "data_dir"]
    check_self_contained(page)
    check_accessible(page)
    assert page.table("config: what differs") == {
        "option": ["a/run", "b/run", "decides the weights"],
        "optimizer.lr": ["0.001", "0.5", "yes"],
        "seed": ["3", "4", "yes"],
        "data_dir": ["not set", "there", "no"],
    }
    assert page.table("measured during training")["validation loss"] == [
        *("0.2", "0.2", "2,560 images", "1.5", "1.5", "1,280 images")
    ]
    same = of_run(one, write_run(tmp_path / "c" / "run"))
    assert "Both have the same config." in same.text


def test_the_long_names_of_jobs_leave_room_and_still_tell_them_apart(tmp_path):
    options = ",".join(f"network.option_{i}={i}" for i in range(8))
    jobs = [write_run(tmp_path / f"{options},seed={seed}") for seed in (0, 1)]
    names = of_run(*jobs).table("at a glance")[""]
    assert [name[-7:] for name in names] == [",seed=0", ",seed=1"]
    assert all(len(name) == 48 and name.startswith("network.option_0=0") for name in names)
    alike = [tmp_path / f"{options},{middle}{options}" for middle in "ab"]
    assert names_of(alike) == [str(folder) for folder in alike]


def test_an_evaluation_elsewhere_is_found_by_its_checkpoint(tmp_path):
    folder = write_run(tmp_path / "run")
    write_evaluation(tmp_path / "evaluations" / "mine", file_sha256(folder / "checkpoints" / "last.ckpt"))
    write_evaluation(tmp_path / "evaluations" / "of another", "abc")
    page = of_run(folder, elsewhere=tmp_path / "evaluations")
    assert "mine" in page.tables and "of another" not in page.tables
    assert "No evaluation of it was found." in of_run(folder, elsewhere=tmp_path / "nowhere").text


def test_a_run_of_nothing_but_its_failure_has_a_page(tmp_path):
    write_failure(tmp_path / "run", "not enough memory")
    page = of_run(tmp_path / "run")
    check_self_contained(page)
    check_accessible(page)
    assert "failed: not enough memory" in page.text and "Nothing was logged." in page.text
    assert "No grid of samples was drawn." in page.text


def test_a_killed_run_and_a_damaged_checkpoint_have_a_page(tmp_path):
    folder = write_run(tmp_path / "run", finished=False, pictures=False)
    assert of_run(folder).table("at a glance")["state"] == ["stopped"]
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"half")
    assert any("truncated" in text for text in of_run(folder).text)


EVIL = "</style></title><script>alert(1)</script> \"' onload=x ${y} {{ 7 * 7 }} http://e.vil 漢字 & <i>"


def test_whatever_a_name_holds_is_shown_as_text(tmp_path):
    name = EVIL.replace("/", "∕")  # which the name of a folder cannot hold
    config = CONFIG | {"notice": EVIL, "dataset": CONFIG["dataset"] | {"class_names": [EVIL]}, EVIL: EVIL}
    folder = write_run(tmp_path / "a" / name, config=config, overrides=(f"data_dir={EVIL}",))
    metrics = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text(metrics.replace("val/loss", '"<script>alert(2)</script>"'))
    write_evaluation(folder / name, EVIL, samples={EVIL: 1.0}, reasons={"samples": {EVIL: EVIL}})
    write_failure(tmp_path / "a" / "failed", EVIL)
    rows = [{"val/loss": EVIL, EVIL: 1, "folder": name}, {"val/loss": 2, EVIL: 2, "folder": EVIL}]
    write_table(tmp_path / "a", rows)
    one = of_run(folder)
    both = of_run(folder, write_run(tmp_path / "b" / name))
    sweep = Page(sweep_page(Sweep.read(tmp_path / "a")))
    for page in one, both, sweep:
        check_self_contained(page)
        check_accessible(page)
        assert not page.all("i") and "49" not in page.source.partition("<body>")[2].split()
    (title,) = names_of([folder])
    assert one.table(f"config of {title}")[EVIL] == [EVIL]
    assert one.table("at a glance")["data"] == [EVIL]
    assert any("<script>alert(2)</script>: 0.2 after" in text for text in one.text)
    assert f"failed: {EVIL}" in sweep.text and EVIL in sweep.table("leaderboard")


def test_a_sweep_has_a_leaderboard_that_leads_to_its_jobs(tmp_path):
    for name, losses in (("lr=1,seed=0", (1.0, 0.25)), ("lr=2,seed=0", (1.0, 0.5))):
        write_run(tmp_path / name, losses)
    write_failure(tmp_path / "lr=3,seed=0", "the gradient is not finite")
    rows = [
        {"val/loss": loss, "lr": lr, "seed": 0, "folder": f"lr={lr},seed=0", "failed": failed}
        for loss, lr, failed in ((0.25, 1, ""), (0.5, 2, ""), ("", 3, "the gradient is not finite"))
    ]
    write_table(tmp_path, rows)
    page = Page(sweep_page(Sweep.read(tmp_path)))
    check_self_contained(page)
    check_accessible(page)
    assert page.table("leaderboard") == {
        "job": ["state", "val/loss", "lr"],
        "lr=1": ["finished", "0.25", "1"],
        "lr=2": ["finished", "0.5", "2"],
        "lr=3": ["failed", "", "3"],
    }
    assert page.table("the same in all jobs") == {"": ["value"], "seed": ["0"]}
    assert [a["href"] for a in page.all("a")][-3:] == ["#job-1", "#job-2", "#job-3"]
    assert "failed: the gradient is not finite" in page.text
    assert "lr=2: 0.5 after 1,280 images" in page.text


def test_a_folder_of_runs_without_a_table_is_compared_all_the_same(tmp_path):
    write_run(tmp_path / "a")
    write_run(tmp_path / "b", (1.0, 0.5))
    page = Page(sweep_page(Sweep.read(tmp_path)))
    assert page.table("leaderboard")["b"] == ["finished", "0.5"]


def test_the_table_of_evaluations_has_a_page(tmp_path):
    write_table(tmp_path, [{"sampler": "ddim", "fid": 3.25, "folder": "ddim"}], "study.csv")
    page = Page(sweep_page(Sweep.read(tmp_path)))
    check_accessible(page)
    assert page.table("leaderboard")["ddim"] == ["ddim", "3.25"]


def test_grids_are_few_and_spread_over_the_run(tmp_path):
    run = Run.read(write_run(tmp_path / "run", losses=[1 / (i + 1) for i in range(20)]))
    assert [picture.step for picture in spread(run.pictures, 4)] == [10, 70, 140, 200]
    assert [picture.step for picture in spread(run.pictures, 1)] == [200]
    assert spread(run.pictures, 0) == [] and len(spread(run.pictures, 99)) == 20


def test_a_large_picture_becomes_small_and_a_damaged_one_a_line(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (500, 1000, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "large.png")
    assert (tmp_path / "large.png").stat().st_size > 3 * MOST_BYTES
    large = embedded(tmp_path / "large.png", "noise", "noise")
    assert large.uri.startswith("data:image/jpeg") and len(large.uri) < 2 * MOST_BYTES
    assert large.width / large.height == pytest.approx(2, rel=0.01)
    folder = write_run(tmp_path / "run")
    grid(folder, 20).write_bytes(grid(folder, 20).read_bytes()[:40])
    page = of_run(folder)
    assert len(page.all("img")) == len(LOSSES) - 1
    assert any("step_0000020.png cannot be read" in text for text in page.text)
