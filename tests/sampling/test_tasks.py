"""What `sample.py` can be asked for, on a trained model of the digits."""

import csv
import io
import json
import logging
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.errors import InstantiationException
from PIL import Image
from torchvision.io import read_image

import diffusion_lightning as dl
from diffusion_lightning import progress
from diffusion_lightning.captions import captioned
from diffusion_lightning.commands.messages import user_message
from diffusion_lightning.commands.sample import sample
from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import NotFinite, UserError
from diffusion_lightning.images import grid_columns, image_grid
from diffusion_lightning.progress import Lines
from tests.support.configs import composed, of_images
from tests.support.in_process import run_here

TASKS = of_images("task")


@pytest.fixture
def run(trained_digits, tmp_path, monkeypatch):
    """Call as sample.py's command line; gives the images (N, 8, 8) if any, and the record."""
    monkeypatch.chdir(tmp_path)

    def run(*overrides, out="out"):
        options = [f"checkpoint='{trained_digits}'", f"out={out}", "overwrite=true", *overrides]
        folder = sample(composed("sample", *options, with_hydra=False))
        record = json.loads((folder / "sampling.json").read_text())
        images = folder / "samples.npz"
        return (np.load(images)["arr_0"][..., 0] if images.exists() else None), record

    return run


def read_csv(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def psnr(a, b):
    error = np.square(a.astype(float) - b.astype(float)).mean()
    return 10 * math.log10(255**2 / max(error, 1e-9))


def test_images(numbers):
    from diffusion_lightning.data import Digits

    return Digits("", 1, 1, 8, 10).load(train=False)[torch.tensor(numbers)][0][:, 0].numpy()


test_images.__test__ = False


def close(a, b):
    """Equal 8-bit images, but for a last bit that falls on the edge of two pixels."""
    return np.abs(a.astype(int) - b.astype(int)).max() <= 1


FEW = {
    "sampler_study": ["task.evaluations=[3]", "task.num_images=2"],
    "clamp_study": ["task.num_images=2", "task.shown=2", "sampler.steps=3"],
    "schedule_study": ["task.times=2"],
    "interpolate": ["task.pairs=1", "task.points=3", "sampler.steps=3"],
    "inpaint": ["task.images=[0]", "task.samples=1", "sampler.steps=3", "sampler.n_corrections=1"],
    "class_sweep": ["task.rows=1", "task.points=3", "sampler.steps=3"],
    "guidance_sweep": ["task.scales=[1,3]", "task.columns=2", "sampler.steps=3"],
    "filmstrip": ["task.film=null", "task.rows=2", "sampler.steps=3"],
    "image_to_image": ["task.images=[0]", "task.t_starts=[0.5]", "sampler.steps=3"],
    "invert": ["task.images=[0]", "sampler.steps=3"],
    "generate": ["sampler.steps=3"],
}
ASKED = ["guidance.scale=4", "labels=[7,8]", "clamp=none", "sampler.eta=1", "num_images=3"]


@pytest.mark.parametrize(
    "task",
    [
        pytest.param(task, marks=[pytest.mark.slow] * (task not in ("generate", "guidance_sweep")))
        for task in TASKS
    ],
)
def test_every_option_of_sampling_counts_or_is_refused(task, run):
    """What a task does not go by is in its list, for which the command line refuses the option."""
    unread = instantiate(composed("sample", f"task={task}").task).unread
    pictures = {}
    for option in [None, *ASKED]:
        key = option and option.partition("=")[0]
        if (task == "inpaint" and key == "sampler.eta") or (task == "invert" and key == "sampler.eta"):
            continue  # RePaint has none, and an inversion takes 0 alone
        run(f"task={task}", *FEW[task], *([option] if option else []), out=str(key))
        (picture,) = (p for p in Path(str(key)).glob("*.png"))
        pictures[key] = picture.read_bytes()
    for key in pictures.keys() - {None}:
        refused = any(key == name or key.startswith(f"{name}.") for name in unread)
        assert (pictures[key] == pictures[None]) == refused, key


@pytest.mark.parametrize("task", TASKS)
def test_what_a_task_does_not_go_by_is_refused_before_any_work(task, tmp_path):
    for option in instantiate(composed("sample", f"task={task}").task).unread:
        value = {"clamp": "none", "sampler": "heun", "labels": "3", "guidance": "x"}.get(option, "1")
        typed = "guidance.scale=1" if option == "guidance" else f"{option}={value}"
        done = run_here("sample.py", "checkpoint=nowhere", f"task={task}", typed, "out=new", cwd=tmp_path)
        assert done.returncode == 1 and "would change nothing: the task goes by" in done.stderr
        assert not (tmp_path / "new").exists()


def test_a_sweep_of_scales_draws_labels_where_the_model_was_trained_for_none(run, trained_digits, tmp_path):
    checkpoint = torch.load(trained_digits / "checkpoints" / "last.ckpt", weights_only=True)
    checkpoint["hyper_parameters"]["guidance"]["scale"] = 0.0
    torch.save(checkpoint, tmp_path / "unconditional.ckpt")
    options = ["task=guidance_sweep", *FEW["guidance_sweep"], "task.scales=[0,1]"]
    expected, _ = run(*options)
    images, _ = run(*options, "checkpoint=unconditional.ckpt", out="other")
    assert np.array_equal(images, expected)


SMALL = {
    "sampler_study": ["task.evaluations=[5]", "task.num_images=2"],
    "clamp_study": ["task.num_images=2", "sampler.steps=2"],
    "interpolate": ["task.pairs=2", "task.points=3", "sampler.steps=2"],
}


EVALUATIONS = {"schedule_study": 0, "inpaint": 2 + 4, "invert": 1 + 2 * 2, "interpolate": 2}
"""Of a walk of two steps; RePaint's second step is returned to four times."""


@pytest.mark.parametrize("task", TASKS)
def test_every_task_leaves_a_record_and_a_picture_that_says_what_it_shows_or_is_bare(task, run, monkeypatch):
    """Each row and column has a name, and the title says data, model and seed; samples.npz stays as it is."""
    grids, titles = [], []

    def spy(grid, captions, rows, columns):
        grids.append((grid, captions, rows, columns))
        return captioned(grid, captions, rows, columns)

    monkeypatch.setattr("diffusion_lightning.images.captioned", spy)
    monkeypatch.setattr("matplotlib.figure.Figure.suptitle", lambda _, text, **__: titles.append(text))
    scale = [] if task == "guidance_sweep" else ["guidance.scale=1"]
    options = [f"task={task}", *scale, *SMALL.get(task, ["sampler.steps=2"])]
    images, record = run(*options)
    assert len([p for p in Path("out").glob("*.png") if Image.open(p).size[0] > 50]) == 1
    assert record["task"]["_target_"].startswith("diffusion_lightning.")
    if task not in ("sampler_study", "clamp_study"):
        assert record["nfe"] == EVALUATIONS.get(task, 2)
    if images is not None:
        (bare, captions, rows, columns), picture = grids[0], read_image("out/grid.png")
        assert len(captions.columns) == columns and all(captions.columns)
        assert len(set(captions.rows)) == len(captions.rows) == rows or task in ("generate", "filmstrip")
        assert task == "generate" or all(captions.rows)
        titles.append(captions.title)
        assert picture.shape[1] > bare.shape[1]
    (title,) = titles
    assert "Digits; " in title and "seed 0" in title
    assert ("UNet, Linear, " in title) == (task != "schedule_study")
    assert ("w = 1" in title) == (task not in ("guidance_sweep", "schedule_study"))
    again, record = run(*options, "captions=false", out="bare")
    assert len(titles) == len([t for t in titles if t]) == 1
    if images is not None:
        assert np.array_equal(images, again) and len(grids) == 1
        assert read_image("bare/grid.png").equal(bare)
    assert "captions" not in record["task"]


def test_many_images_are_shown_on_pages_or_not_at_all(run, caplog):
    caplog.set_level("INFO")
    pixels, _ = run("num_images=23", "sampler.steps=1")
    options = ["num_images=23", "sampler.steps=1", "captions=false", "task.images_per_page=10"]
    for pages, files in (("1", 1), ("2", 2), ("null", 3), ("0", 0)):
        again, _ = run(*options, f"task.pages={pages}", out=f"pages {pages}".replace(" ", "_"))
        pictures = sorted(Path(f"pages_{pages}").glob("*.png"))
        assert [p.name for p in pictures] == ["grid.png", "grid_2.png", "grid_3.png"][:files]
        assert np.array_equal(again, pixels)
        for i, picture in enumerate(pictures):
            part = torch.from_numpy(pixels[10 * i : 10 * i + 10])[:, None]
            assert read_image(str(picture)).equal(image_grid(part, grid_columns(len(part), 10)))
    said = [line for line in caplog.messages if "of 23 images" in line]
    assert [line.split(";")[0] for line in said] == [
        "grid.png: the first 10 of 23 images",
        "grid.png, grid_2.png: the first 20 of 23 images",
    ]


def test_a_title_counts_the_steps_that_are_walked(run, monkeypatch):
    """Those of a grid of given times, whatever `sampler.steps` says."""
    said = []
    monkeypatch.setattr(
        "diffusion_lightning.images.captioned", lambda grid, captions, *_: said.append(captions) or grid
    )
    run("sampler/grid=times", "sampler.grid.times=[1,0.5,0.1]", "sampler.steps=50", "num_images=2")
    assert "DDIM, 3 steps" in said[0].title


def test_images_in_no_order_of_classes_are_named_one_by_one(run, monkeypatch):
    said = []
    monkeypatch.setattr(
        "diffusion_lightning.images.captioned", lambda grid, captions, *_: said.append(captions) or grid
    )
    run("labels=[3,1,4,1,5,9,2]", "sampler.steps=1")
    assert said[0].images == list("3141592") and not said[0].columns
    run("num_images=4", "guidance.scale=0", "sampler.steps=1")
    assert not any(said[1].columns) and "unconditional" in said[1].title


WALKS = [(task, "ddim") for task in TASKS]
WALKS += [
    pytest.param(task, sampler, marks=pytest.mark.slow)
    for task in ("generate", "inpaint")
    for sampler in ("heun", "repaint")
]


@pytest.mark.parametrize(("task", "sampler"), WALKS)
def test_a_task_says_at_its_start_how_long_it_is(task, sampler, run, caplog, monkeypatch):
    """As a whole, and moves one bar by as many evaluations as it takes."""
    bars = []
    monkeypatch.setattr(progress, "Lines", lambda *args: bars.append(Lines(*args)) or bars[-1])
    monkeypatch.setattr(progress.sys, "stderr", io.StringIO())
    caplog.set_level(logging.INFO)
    small = {"sampler_study": ["task.evaluations=[4,7]", "task.num_images=2"]}
    options = small.get(task, ["sampler.steps=4", "batch_size=7"])
    for more in ([], ["task.images=[0,1]"]) if task == "interpolate" else ([],):
        caplog.clear()
        bars.clear()
        scale = [] if task == "guidance_sweep" else ["guidance.scale=1"]
        run(f"task={task}", f"sampler={sampler}", *scale, *options, *more)
        said = [r.getMessage() for r in caplog.records if r.name == "sample"]
        if task == "schedule_study":
            assert said[0].startswith("no evaluations") and not bars
            return
        announced, taken = said[0].split(": ")[1].split()[0], said[-1].split()[0]
        assert announced == taken
        (bar,) = bars
        assert bar.total == bar.done == int(taken.replace(",", ""))


def test_the_record_says_what_was_done(run):
    guidance = ["guidance.scale=3", "guidance.interval=[0.2,0.8]", "guidance.rescale=0.7"]
    images, record = run("sampler=deis", "sampler.steps=5", *guidance, "num_images=3", "seed=4")
    plain = {"profile": None, "away": None}
    assert record["guidance"] == {"p_uncond": 0.1, "scale": 3, "interval": [0.2, 0.8], "rescale": 0.7} | plain
    assert record["sampler"]["_target_"].endswith("DEIS") and record["grid"]["_target_"].endswith("Quadratic")
    assert record["seed"] == 4 and record["nfe"] == 5 and record["seconds"] > 0 and len(images) == 3


def test_the_ends_of_a_strip_are_generated_images(run):
    drawn, _ = run("num_images=4", "sampler.steps=10")
    strips, _ = run("task=interpolate", "task.pairs=2", "task.points=5", "sampler.steps=10")
    strips = strips.reshape(2, 5, 8, 8)
    assert close(strips[:, 0], drawn[0::2]) and close(strips[:, -1], drawn[1::2])
    between = np.abs(np.diff(strips.astype(int), axis=1)).mean((2, 3))
    assert (between > 0).any(1).all()


@pytest.mark.parametrize("scale", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_the_ends_of_a_strip_are_real_images(run, scale):
    options = ["task=interpolate", "task.images=[3,7,1,2]", "task.points=3", f"guidance.scale={scale}"]
    strips, _ = run(*options, "sampler.steps=100", "task.refinements=3")
    strips, real = strips.reshape(2, 3, 8, 8), test_images([3, 7, 1, 2])
    assert psnr(strips[:, 0], real[0::2]) > 40 and psnr(strips[:, -1], real[1::2]) > 40


@pytest.mark.slow
def test_inversion_returns_and_better_with_more_steps(run):
    quality = []
    for steps in (10, 50, 150):
        rows, _ = run("task=invert", f"sampler.steps={steps}", "guidance.scale=1", "task.refinements=1")
        rows = rows.reshape(-1, 3, 8, 8)
        assert np.array_equal(rows[:, 0], test_images(range(6)))
        quality.append(psnr(rows[:, 0], rows[:, 2]))
    assert quality[0] < quality[1] < quality[2] and quality[2] > 40
    shipped, record = run("task=invert", "sampler.steps=100", "speed.precision=bf16-mixed")
    assert record["dtype"] == "float32"  # rounding on the way would lead beside the image
    shipped = shipped.reshape(-1, 3, 8, 8)
    assert min(psnr(a, b) for a, b in shipped[:, [0, 2]]) > 40


@pytest.mark.parametrize("sampler", [[], ["sampler=ddim"], ["sampler=heun", "clamp=none"]])
def test_inpainting_keeps_known_pixels_and_fills_the_hole(run, sampler):
    Image.fromarray(np.tri(8, dtype=np.uint8) * 255).save("mask.png")
    options = ["task=inpaint", "task.images=[0,5]", "task.mask=mask.png", "task.samples=3"]
    rows, _ = run(*options, *sampler, "sampler.steps=10")
    rows, hole = rows.reshape(2, 5, 8, 8), np.tri(8, dtype=bool)
    real = test_images([0, 5])
    assert np.array_equal(rows[:, 0], real)
    for filled in rows[:, 2:].swapaxes(0, 1):
        assert np.array_equal(filled[:, ~hole], real[:, ~hole])
    assert rows[:, 2:][..., hole].std(1).max() > 10


def test_files_are_drawn_with_the_labels_given_or_without(run):
    Image.fromarray(test_images([3])[0]).save("3.png")
    options = ["task=image_to_image", "task.images=[3.png,3.png]", "task.t_starts=[0.6]", "sampler.steps=5"]
    unlabelled, labelled, unconditional = (
        run(*options, *more)[0].reshape(2, 2, 8, 8) for more in ([], ["labels=[3,8]"], ["guidance.scale=0"])
    )
    assert np.array_equal(labelled[:, 0], test_images([3, 3]))
    assert close(unlabelled, unconditional) and not close(labelled[:, 1], unlabelled[:, 1])


def test_later_starts_stay_nearer_to_the_image(run):
    rows, _ = run("task=image_to_image", "task.t_starts=[0.05,0.3,0.9]", "sampler.steps=20")
    rows = rows.reshape(6, 4, 8, 8)
    assert np.array_equal(rows[:, 0], test_images(range(6)))
    distance = [psnr(rows[:, 0], rows[:, i]) for i in (1, 2, 3)]
    assert distance[0] > distance[1] > distance[2] and distance[0] > 20


def test_guidance_sweep_rows_are_the_images_at_each_scale(run):
    rows, _ = run("task=guidance_sweep", "task.scales=[0,1,4]", "task.columns=5", "sampler.steps=5")
    for row, scale in zip(rows.reshape(3, 5, 8, 8), (0, 1, 4), strict=True):
        drawn, _ = run("num_images=5", f"guidance.scale={scale}", "sampler.steps=5", out=f"w{scale}")
        assert close(row, drawn)


def test_ways_to_say_the_same_guidance_draw_the_same_images(run):
    options = ["num_images=4", "sampler.steps=4", "guidance.scale=3"]
    plain, away = run(*options)[0], run(*options, "guidance.away=10")[0]
    assert np.array_equal(plain, away) and np.array_equal(plain, run(*options, "guidance.profile=[[0,1]]")[0])
    assert not close(plain, run(*options, "guidance.away=7")[0])
    assert not close(plain, run(*options, "guidance.profile=[[0,0],[1,1]]")[0])


def test_the_library_guides_as_the_command_line(run, trained_digits):
    drawn, record = run("labels=[1,2]", "sampler.steps=4", "guidance.scale=3", "guidance.away=7")
    assert record["guidance"]["away"] == 7
    model, guidance = dl.load(trained_digits), dl.Guidance(0.1, 3.0, away=7)
    images = model.sample([1, 2], sampler=dl.DDIM(4), guidance=guidance, progress=False)
    assert close(drawn, dl.to_uint8(images)[:, 0].numpy())
    with pytest.raises(UserError, match="away is 11"):
        model.sample([1, 2], guidance=dl.Guidance(0.1, 3.0, away=11))


def test_class_sweep_goes_from_class_to_class(run):
    rows, _ = run("task=class_sweep", "task.rows=2", "labels=[3,5,8]", "sampler.steps=5")
    rows = rows.reshape(2, 9, 8, 8)
    for end, labels in ((0, "[3,5]"), (-1, "[5,8]")):
        drawn, _ = run(f"labels={labels}", "sampler.steps=5", out="drawn")
        assert close(rows[:, end], drawn)


@pytest.mark.parametrize("film", ["film.webp", "film.gif"])
def test_filmstrip_ends_with_the_images(run, film):
    drawn, _ = run("num_images=2", "sampler.steps=6")
    rows, _ = run("task=filmstrip", "task.rows=2", f"task.film={film}", "sampler.steps=6")
    assert close(rows.reshape(4, 6, 8, 8)[1::2, -1], drawn)
    with Image.open(f"out/{film}") as frames:
        assert frames.n_frames == 6


def test_clamp_study_measures_the_walk(run):
    run("task=clamp_study", "task.num_images=8", "sampler=ddpm", "sampler.steps=10")
    rows = read_csv("out/clamp.csv")
    outside = {
        clamp: [float(r["x0 outside"]) for r in rows if r["clamp"] == clamp] for clamp in ("none", "static")
    }
    assert len(outside["none"]) == 10
    assert max(outside["static"]) == 0 and min(outside["none"]) > 0


def test_schedule_study_tabulates_the_schedules(run):
    run("task=schedule_study")
    rows = read_csv("out/schedules.csv")
    for name, schedule in (("linear", Linear()), ("cosine", Cosine())):
        mine = [r for r in rows if r["schedule"] == name]
        t = torch.tensor([float(r["t"]) for r in mine], dtype=torch.float64)
        alpha_bar = torch.tensor([float(r["alpha_bar"]) for r in mine], dtype=torch.float64)
        log_snr = torch.tensor([float(r["log_snr"]) for r in mine], dtype=torch.float64)
        torch.testing.assert_close(alpha_bar, schedule.log_alpha_bar(t).exp())
        torch.testing.assert_close(log_snr, (alpha_bar / (1 - alpha_bar)).log(), rtol=1e-6, atol=1e-6)


EXTRA = {
    "DDPM": 0,
    "DDIM": 0,
    "DPM-Solver++": 0,
    "DEIS": 0,
    "Heun": 1,
    "predictor-corrector": 1,
    "Langevin": 3,
}
"""Evaluations of every step but the last, beyond one."""


def test_sampler_study_stays_within_its_evaluations(run):
    run("task=sampler_study", "task.evaluations=[5,8]", "task.num_images=2")
    rows = read_csv("out/samplers.csv")
    samplers = instantiate(composed("sample", "task=sampler_study").task).samplers
    assert [row["sampler"] for row in rows] == [name for name in samplers for _ in range(2)]
    for row in rows:
        steps, budget, nfe = (int(row[key]) for key in ("steps", "budget", "nfe"))
        evaluations = samplers[row["sampler"]].evaluations
        assert nfe == evaluations(steps) <= budget < evaluations(steps + 1)
        if row["sampler"] in EXTRA:
            assert nfe == steps + (steps - 1) * EXTRA[row["sampler"]]


@pytest.mark.parametrize("task", [task for task in TASKS if task != "schedule_study"])
def test_a_walk_that_overflows_ends_every_task(task, run):
    overflow = ["guidance.scale=1e38", "clamp=none", "sampler.steps=4"]
    overflow += {"guidance_sweep": ["task.scales=[1,1e38]"], "clamp_study": ["task.num_images=2"]}.get(
        task, []
    )
    overflow += ["task.evaluations=[4]", "task.num_images=2"] if task == "sampler_study" else []
    with pytest.raises(
        NotFinite,
        match=r"(, step \d of|inversion, step \d of) .*t = .*: (x0|x_t) (is not finite|has diverged)",
    ):
        run(f"task={task}", *overflow)
    assert not list(Path("out").glob("*"))  # no picture, and no record of one


def bad_images():
    Image.new("L", (9, 8)).save("wide.png")
    Image.new("L", (8, 8)).save("black.png")
    Path("text.png").write_text("hello")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["sampler.steps=0"], "sampler: steps is 0"),
        (["sampler=langevin", "sampler.corrector.r=0"], r"sampler.corrector: r is"),
        (["sampler=predictor_corrector", "sampler.corrector.r=-1"], r"sampler.corrector: r is"),
        (["guidance.interval=[0.2,1.5]"], "interval"),
        (["guidance.interval=[0.8,0.2]"], "interval"),
        (["guidance.interval=0.5"], "interval"),
        (["guidance.rescale=2"], "rescale"),
        (["device=abc"], "device=auto"),
        (["seed=-1"], "seed"),
        (["out=wide.png"], "wide.png"),
        (["sampler=heun", "sampler.churn=1"], "churn"),
        (["sampler=deis", "sampler.order=4"], "order"),
        (["task=inpaint", "task.mask=wide.png"], "9x8 pixels, but the model draws 8x8"),
        (["task=inpaint", "task.mask=black.png"], "no pixel"),
        (["task=inpaint", "task.mask=absent.png"], "absent.png"),
        (["task=inpaint", "task.hole=[0,0,2,1]"], "hole"),
        (["task=image_to_image", "task.images=[wide.png]"], "9x8"),
        (["task=image_to_image", "task.images=[text.png]"], "text.png"),
        (["task=image_to_image", "task.images=[9999]"], "0 to 296"),
        (["task=image_to_image", "task.images=[]"], r"task: images is \[\]"),
        (["task=image_to_image", "task.images=3"], "task: images is 3"),
        (["task=image_to_image", "task.t_starts=[0]"], "t_starts"),
        (["task=interpolate", "task.images=[1,2,3]"], "pairs"),
        (["task=interpolate", "task.images=[1,2]", "sampler=ddpm"], "DDIM with eta=0"),
        (["task=interpolate", "task.points=1"], "points"),
        (["task=invert", "sampler.eta=0.5"], "DDIM with eta=0"),
        (["task=invert", "task.refinements=0"], "refinements"),
        (["task=filmstrip", "task.film=../film.gif"], "film"),
        (["task=guidance_sweep", "task.scales=[]"], "scales"),
        (["task=sampler_study", "task.evaluations=[1]"], "evaluations"),
        (["task=class_sweep", "guidance.scale=0"], "class_sweep"),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, list) else "",
)
def test_bad_input_is_one_clear_message(run, options, message):
    bad_images()
    with pytest.raises((UserError, InstantiationException)) as caught:
        run(*options)
    assert re.search(message, user_message(caught.value) or "nothing for the user")
