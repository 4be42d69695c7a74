"""evaluate.py on a trained model of the digits, on files, in several processes, and in sweeps."""

import csv
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hydra.errors import InstantiationException
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException
from torchvision.io import read_image

from diffusion_lightning.captions import captioned
from diffusion_lightning.checkpoints.reader import load_denoiser, read_checkpoint
from diffusion_lightning.commands.evaluate import evaluate
from diffusion_lightning.commands.messages import user_message
from diffusion_lightning.data import Digits
from diffusion_lightning.diffusion.clamp import NoClamp, Static
from diffusion_lightning.diffusion.grids import Uniform
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.likelihood.flow_likelihood import FlowLikelihood
from diffusion_lightning.diffusion.likelihood.variational_bound import variational_bound
from diffusion_lightning.diffusion.noise import ImageNoise
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.inputs import load_inputs
from tests.support.command import succeed
from tests.support.configs import composed, names
from tests.support.images import random_pixels
from tests.support.in_process import run_here, succeed_here
from tests.support.runs import succeed_apart
from tests.support.wandb_files import history, parts

SMALL = ["num_images=60", "sampler.steps=5"]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def measure(trained_digits, here):
    """Call as evaluate.py's command line."""

    def measure(*options, of=("checkpoint",), out="out"):
        subject = [f"checkpoint='{trained_digits}'"] if of == ("checkpoint",) else of
        cfg = composed("evaluate", *subject, f"out={out}", *options, with_hydra=False)
        OmegaConf.set_readonly(cfg, True)
        return evaluate(cfg)

    return measure


def save(name, pixels, labels=None):
    arrays = [pixels.permute(0, 2, 3, 1).numpy()]
    np.savez(name, *arrays, *([] if labels is None else [labels.numpy()]))


def digits(train):
    images = Digits("", 1, 1, 8, 10).load(train)
    return images[torch.arange(len(images))]


FILE = ["dataset=digits", "extractor=digits"]


def test_every_metric_is_measured_beside_the_floor(measure):
    record = measure(*SMALL)
    assert json.loads(Path("out/evaluation.json").read_text()) == record
    samples, floor, same_n = (record[key] for key in ("samples", "floor", "floor_same_n"))
    assert samples.keys() == floor.keys() == same_n.keys()
    one_each = {"fid", "kid", "is", "precision", "density", "accuracy", "mean_0", "nearest"}
    assert one_each < samples.keys()
    assert floor["fid_test"] < 1e-9 < floor["fid"] < same_n["fid"]
    assert floor["accuracy"] > 0.97 and samples["accuracy"] > 0.5 and floor["copies"] < 0.01
    assert record["nfe"] == 5 and record["num_images"] == 60
    assert {len(value) for key, value in record["provenance"].items() if key.endswith("sha256")} == {64}
    assert len(record["asked"]["checkpoint_sha256"]) == 64 and record["asked"]["seed"] == 0
    assert {p.name for p in Path("out").iterdir()} == {"evaluation.json", "samples.png", "neighbours.png"}


def test_of_two_images_it_says_which_figures_mean_nothing_and_why(measure, caplog, capsys):
    record = measure("num_images=2", "sampler.steps=2")
    text = Path("out/evaluation.json").read_text()
    assert json.loads(text, parse_constant=pytest.fail) == record
    values, reasons = record["samples"], record["reasons"]
    null = {name for name, value in values.items() if value is None}
    assert {"is", "is_std", "recall"} == null and null < reasons["samples"].keys()
    assert null == {name for name, value in record["floor_same_n"].items() if value is None}
    assert "2 images cannot span 64 features" in reasons["samples"]["fid"] and values["fid"] > 0
    assert "floor" not in reasons and None not in record["floor"].values()
    for images in "2 images", "as many test images":
        said = [line for line in caplog.messages if line.startswith(f"is, is_std of {images}:")]
        assert len(said) == 1 and "at least 20 images" in said[0]
    assert "none" in capsys.readouterr().out


def test_pictures_say_what_they_show_or_are_bare_and_no_figure_changes(measure, monkeypatch):
    said = []

    def spy(grid, captions, rows, columns):
        said.append((grid, captions, rows))
        return captioned(grid, captions, rows, columns)

    monkeypatch.setattr("diffusion_lightning.images.captioned", spy)
    options = ["num_images=20", "sampler.steps=2", "metrics=[neighbours]"]
    record = measure(*options)
    (neighbours, beside, rows), (samples, above, _) = said
    assert beside.columns == ["sample", "nearest", "2.", "3.", "4.", "5."] and len(beside.rows) == rows == 10
    assert "20 images" in beside.title and "Digits; UNet, Linear" in beside.title and "8-bit" in beside.title
    nearest = [float(text) for text in beside.images if text]
    assert len(nearest) == 50
    assert all(nearest[i : i + 5] == sorted(nearest[i : i + 5]) for i in range(0, 50, 5))
    assert above.columns == list("0123456789")
    assert measure(*options, "captions=false") == record  # done already
    measure(*options, "captions=false", out="bare")
    assert len(said) == 2
    assert read_image("bare/neighbours.png").equal(neighbours)
    assert read_image("bare/samples.png").equal(samples)


FASTER = {"bits": ["metrics.bits.num_images=2", "metrics.bits.steps=2", "metrics.bits.flow.steps=2"]}
"""Options of metrics that take long."""


@pytest.mark.parametrize("name", names("metrics"))
def test_every_metric_can_be_measured_alone(name, measure):
    record = measure("num_images=20", "sampler.steps=2", f"metrics=[{name}]", *FASTER.get(name, []))
    assert record["samples"] and all(map(math.isfinite, record["samples"].values()))
    assert record["asked"]["metrics"].keys() == {name}
    assert record["floor"].keys() in (record["samples"].keys(), set())


def test_likelihood_is_of_test_images_at_w_1(measure, trained_digits):
    few = [
        "metrics=[bits]",
        "metrics.bits.num_images=5",
        "metrics.bits.flow.steps=4",
        "metrics.bits.steps=30",
    ]
    record = measure("num_images=2", "sampler.steps=2", "guidance.scale=3", "batch_size=2", *few)
    denoiser = load_denoiser(read_checkpoint(trained_digits))
    pixels, labels = (x[:5] for x in digits(train=False))
    noise = ImageNoise(0, range(5), (1, 8, 8))
    times = Uniform()(denoiser.schedule, 30)
    clamped, unclamped = (
        SamplingModel(denoiser, Guidance(0.1, 1.0), clamp, labels) for clamp in (Static(), NoClamp())
    )
    bound = variational_bound(clamped, pixels, noise, times).total
    flow = FlowLikelihood(4).bits_per_dim(unclamped, pixels, noise)
    expected = {"bits_bound": bound.mean(), "bits_flow": flow.mean()}
    expected |= {
        "bits_bound_error": bound.std(correction=0) / 5**0.5,
        "bits_flow_error": flow.std(correction=0) / 5**0.5,
    }
    assert record["samples"] == pytest.approx({k: float(v) for k, v in expected.items()}, rel=1e-3)
    assert record["floor"] == {}


def test_the_training_images_are_at_zero_and_found_to_be_copies(measure, caplog):
    save("train.npz", *digits(train=True))
    record = measure(*FILE, of=["samples=train.npz"])
    assert record["samples"]["fid"] < 1e-9 and record["samples"]["copies"] == 1
    assert record["samples"]["precision"] == record["samples"]["recall"] == 1
    assert record["samples"]["mean_0_off"] == record["samples"]["std_0_off"] == 0
    assert record["nfe"] is None and "floor_same_n" not in record
    assert any("training images" in r.message for r in caplog.records)


def test_features_may_be_any_modules(measure):
    save("digits.npz", *digits(train=False))
    pixels = ["extractor=module", "extractor._target_=torch.nn.Flatten", "dataset=digits"]
    record = measure("metrics=[fid,is,classes]", *pixels, of=["samples=digits.npz"])
    test, train = (digits(x)[0].flatten(1).double() for x in (False, True))
    mean = (test.mean(0) - train.mean(0)).square().sum()
    assert record["samples"].keys() == {"fid", "fid_test"}
    assert record["samples"]["fid"] > float(mean) and record["samples"]["fid_test"] < 1e-6


def test_a_file_of_the_models_samples_measures_as_the_model(measure, trained_digits):
    of_model = measure(*SMALL, "metrics=[fid,kid,classes]")["samples"]
    options = ["num_images=60", "sampler.steps=5", "batch_size=60", "out=drawn"]
    succeed_here("sample.py", f"checkpoint={trained_digits}", *options, cwd=Path.cwd())
    of_file = measure("metrics=[fid,kid,classes]", of=[*FILE, "samples=drawn/samples.npz"], out="of file")
    # Another batch, another rounding: here and there a pixel falls on the other side
    assert of_file["samples"] == pytest.approx(of_model, rel=1e-3)


def test_the_data_are_read_once(measure, monkeypatch):
    read, load = [], Digits.load
    monkeypatch.setattr(Digits, "load", lambda self, train: read.append(train) or load(self, train))
    measure(*SMALL, "metrics=[fid]")
    assert sorted(read) == [False, True]


def test_what_is_recorded_is_what_was_measured(measure, trained_digits, monkeypatch):
    """A run that is training replaces its last checkpoint at any time."""
    shutil.copytree(trained_digits, "run")

    def load_while_it_is_replaced(*args):
        loaded = load_inputs(*args)
        Path("run/checkpoints/last.ckpt").write_bytes(b"another")
        return loaded

    monkeypatch.setattr("diffusion_lightning.evaluation.inputs.load_inputs", load_while_it_is_replaced)
    with pytest.raises(UserError, match=r"last.ckpt was replaced while it was read"):
        measure(*SMALL, of=["checkpoint=run"])
    assert not Path("out").exists()


@pytest.mark.slow
def test_two_processes_measure_what_one_does(measure, trained_digits):
    """In training too: FID of a run of two processes is that of its checkpoint, drawn by one."""
    options = [
        "callbacks=fid",
        "guidance=cfg",
        "network.width=8",
        "trainer.max_epochs=1",
        "hydra.run.dir=run",
    ]
    options += ["trainer.devices=2", "trainer.strategy=ddp", "trainer.accelerator=cpu", "sampler.steps=2"]
    options += ["callbacks.fid.num_images=70", "callbacks.fid.batch_size=16"]
    succeed("train.py", *options, cwd=Path.cwd())
    with Path("run/metrics.csv").open() as file:
        (logged,) = [float(row["fid"]) for row in csv.DictReader(file) if row["fid"]]
    (grid,) = Path("run/samples").iterdir()
    same = [
        "num_images=70",
        "sampler=dpm_solver_pp",
        "sampler.steps=20",
        "batch_size=16",
        "metrics=[fid,kid]",
    ]
    succeed("evaluate.py", "checkpoint=run", *same, "device=cpu", "devices=2", "out=two", cwd=Path.cwd())
    two = json.loads(Path("two/evaluation.json").read_text())["samples"]
    one = measure(*same, of=["checkpoint=run"], out="one")["samples"]
    assert two == pytest.approx(one, rel=1e-6)
    again = ["num_images=100", "sampler=ddim", "sampler.steps=2", "batch_size=50", "metrics=[fid]"]
    measure(*again, of=["checkpoint=run"], out="grid")
    images = [read_image(str(file)).int() for file in (grid, Path("grid/samples.png"))]
    assert (images[0] - images[1]).abs().max() <= 1
    assert logged == pytest.approx(one["fid"], rel=1e-5)


@pytest.mark.slow
def test_a_study_skips_what_is_done_and_ends_in_one_table(trained_digits, here, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    options = [
        f"checkpoint={trained_digits}",
        "num_images=40",
        "metrics=[fid,classes]",
        "hydra.sweep.dir=study",
    ]
    options += ["sampler=ddim,heun", "sampler.steps=3,6", "guidance.scale=1,3"]
    options += ["logger=wandb", "logger.wandb.offline=true"]
    succeed_here("evaluate.py", "-m", *options[:6], "guidance.scale=3", cwd=here)
    before = {p: p.stat().st_mtime_ns for p in here.glob("study/*/evaluation.json")}
    done = succeed_apart("evaluate.py", "-m", *options, cwd=here)  # W&B keeps its first folder in a process
    assert len(before) == 4 and done.stdout.count("done already") == 4
    assert all(p.stat().st_mtime_ns == time for p, time in before.items())
    with (here / "study" / "study.csv").open() as file:
        rows = list(csv.DictReader(file))
    settings = {
        (r["sampler"], float(r["sampler.steps"]), float(r["guidance.scale"]), int(r["nfe"])) for r in rows
    }
    nfe = {("ddim", 3): 3, ("ddim", 6): 6, ("heun", 3): 5, ("heun", 6): 11}
    assert settings == {(*key, scale, n) for key, n in nfe.items() for scale in (1, 3)}
    for row in rows:
        for name in (
            "fid",
            "accuracy",
            "fid_floor",
            "num_images",
            "seed",
            "checkpoint",
            "extractor",
            "statistics",
        ):
            assert row[name] != ""
        assert "torch=" in row["versions"]
    (table,), (picture,) = (
        [row for row in history(here / "study") if name in str(row)]
        for name in ("study_table", "study_plots")
    )
    (folder,) = parts(here / "study")
    arrived = json.loads((folder / "files" / table["study_table.path"]).read_text())
    assert [dict(zip(arrived["columns"], map(str, row), strict=True)) for row in arrived["data"]] == rows
    assert (folder / "files" / picture["study_plots.filenames"][0]).stat().st_size > 20_000
    for row in [row for row in rows if row["guidance.scale"] == "1.0"]:  # what was done before logs nothing
        job = here / "study" / row["folder"]
        (figures,) = [logged for logged in history(job) if "evaluation/fid" in logged]
        assert figures["evaluation/fid"] == float(row["fid"])
        assert any("evaluation/samples.filenames" in logged for logged in history(job))
    assert (here / "study" / "study.md").read_text().count("\n") == 2 + 8
    assert (here / "study" / "study.png").stat().st_size > 20_000


def test_asked_again_it_is_done_and_asked_otherwise_refused(measure):
    first = measure(*SMALL, "metrics=[fid]")
    again = measure(*SMALL, "metrics=[fid]", "batch_size=7", "device=cpu")
    assert again == first
    with pytest.raises(UserError, match="another evaluation"):
        measure(*SMALL, "metrics=[fid]", "seed=1")
    assert measure(*SMALL, "metrics=[fid]", "seed=1", "overwrite=true") != first


def bad_files():
    np.savez("float.npz", np.zeros((3, 8, 8, 1)))
    np.savez("shape.npz", np.zeros((3, 9, 8, 1), np.uint8))
    np.savez("objects.npz", np.array([{}], dtype=object))
    np.savez("empty.npz", np.zeros((0, 8, 8, 1), np.uint8))
    np.savez("labels.npz", np.zeros((3, 8, 8, 1), np.uint8), np.zeros(2))
    np.savez("other.npz", x=np.zeros(3))
    Path("text.npz").write_text("hello")
    save("one.npz", random_pixels(1, (1, 8, 8)))


@pytest.mark.parametrize(
    ("of", "options", "message"),
    [
        ([], [], "what shall be measured"),
        (["samples=float.npz"], FILE, "uint8"),
        (["samples=shape.npz"], FILE, r"\(8, 8, 1\)"),
        (["samples=objects.npz"], FILE, "pickled"),
        (["samples=empty.npz"], FILE, "uint8"),
        (["samples=labels.npz"], FILE, "labels"),
        (["samples=other.npz"], FILE, "arr_0"),
        (["samples=text.npz"], FILE, "cannot be read"),
        (["samples=absent.npz"], FILE, r"absent\.npz"),
        (["samples=one.npz"], FILE, "holds one image; an evaluation takes at least two"),
        (["samples=one.npz"], ["extractor=digits"], "dataset="),
        (["samples=one.npz"], ["dataset=digits"], "extractor="),
        (["samples=one.npz"], ["dataset=digits", "extractor=module"], "_target_"),
        (["checkpoint=nowhere"], [], "nowhere"),
        (("checkpoint",), ["metrics=[]"], "metrics"),
        (("checkpoint",), ["num_images=1"], "num_images"),
        (("checkpoint",), ["devices=0"], "devices"),
        (("checkpoint",), ["device=abc"], "device=auto"),
        (("checkpoint",), ["metrics.kid.subset_size=1"], "subset_size"),
        (
            ("checkpoint",),
            ["guidance.scale=1e38", "clamp=none", *SMALL],
            r"DDIM, step \d of 5, .* is not finite",
        ),
    ],
    ids=str,
)
def test_bad_input_is_one_clear_message(measure, of, options, message):
    import re

    bad_files()
    with pytest.raises((UserError, InstantiationException, OmegaConfBaseException)) as caught:
        measure(*options, of=of)
    assert re.search(message, user_message(caught.value) or "nothing for the user")


def test_without_weights_and_network_it_ends_at_once(trained_digits, here, monkeypatch):
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    for command in (["train.py", "callbacks=fid"], ["evaluate.py", f"checkpoint={trained_digits}"]):
        done = run_here(*command, "extractor=inception", cwd=here)
        assert done.returncode != 0 and "Traceback" not in done.stderr
        assert "commands.prefetch" in done.stderr and "Epoch" not in done.stdout
