"""Whether a command is that of the same run; a refused one leaves nothing; what is recorded is of the run."""

import shutil

import pytest
import torch
from omegaconf import OmegaConf
from PIL import Image

from diffusion_lightning.errors import UserError
from diffusion_lightning.runs.run import Run
from diffusion_lightning.versions import versions
from tests.support.command import SMALL
from tests.support.in_process import run_here, succeed_here
from tests.support.runs import train_in


def images(folder, value, classes=(".",)):
    for name in classes:
        (folder / name).mkdir(parents=True, exist_ok=True)
        for i in range(4):
            Image.new("L", (8, 8), value).save(folder / name / f"{i}.png")


FOLDER = [
    *("dataset=image_folder", "dataset.image_size=8", "dataset.image_channels=1", "network=unet_tiny"),
    *("trainer.limit_val_batches=1", "trainer.max_epochs=1", "callbacks.sample_grid=null"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    images(folder / "cats", 0)
    images(folder / "dogs", 255)
    succeed_here("train.py", *SMALL, *FOLDER, "data_dir=cats", "hydra.run.dir=run", cwd=folder)
    return folder


@pytest.fixture
def here(trained, tmp_path):
    """A finished run of one of two folders of images, alike but for their pixels."""
    return shutil.copytree(trained, tmp_path, dirs_exist_ok=True)


def contents(folder):
    """Everything in a folder: names, and what is in the files."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


@pytest.mark.parametrize("option", ["data_dir=dogs", "dataset.data_dir=dogs", "dataset.memory_limit=0"])
@pytest.mark.parametrize("epochs", [1, 2])
def test_a_run_that_learned_other_images_is_another_run(option, epochs, here):
    options = ["data_dir=cats", option, f"trainer.max_epochs={epochs}", "hydra.run.dir=run", "resume=true"]
    before = contents(here)
    done = run_here("train.py", *SMALL, *FOLDER, *options, cwd=here)
    if "memory_limit" in option:
        assert done.returncode == 0
    else:
        assert done.returncode == 1 and "learned the images of data_dir=cats" in done.stderr
        assert contents(here) == before


def test_the_same_images_may_be_anywhere(here):
    shutil.move(here / "cats", here / "moved")
    options = ["data_dir=moved", "hydra.run.dir=run", "resume=true"]
    done = succeed_here("train.py", *SMALL, *FOLDER, *options, cwd=here)
    assert "finished already" in done.stdout
    (here / "moved" / "4.png").write_bytes((here / "moved" / "3.png").read_bytes())
    assert run_here("train.py", *SMALL, *FOLDER, *options, cwd=here).returncode == 1


REFUSED = [
    *("network.width=16", "seed=1", "schedule=cosine", "optimizer.lr=0.5", "dataset.batch_size=32"),
    *(
        "trainer.max_epochs=1",
        "trainer.max_epochs=0",
        "callbacks.last=null",
        "callbacks.checkpoint.monitor=fid",
    ),
    *(
        "sampler.steps=0",
        "clamp=nothing",
        "data_dir=[1]",
        "logger=[foo]",
        "+callbacks.checkpoint.save_last=true",
    ),
    *("trainer.accelerator=foo", "trainer.precision=5", "guidance=conditional", "+sampler.foo=1"),
    *(
        "dataset=mnist",
        "callbacks.sample_grid.num_images=0",
        "optimized_metric=fid",
        "seed=-1",
        "resume=false",
    ),
]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("refused")
    succeed_here("train.py", *SMALL, "trainer.max_epochs=2", "hydra.run.dir=run", cwd=folder)
    return folder


@pytest.mark.parametrize("option", REFUSED)
def test_a_resumed_run_that_is_refused_leaves_nothing_behind(option, run):
    before = contents(run)
    options = ["trainer.max_epochs=3", "hydra.run.dir=run", "resume=true"]
    done = run_here("train.py", *SMALL, *options, option, cwd=run)
    assert done.returncode == 1 and "Traceback" not in done.stderr and done.stderr.count("\n") == 1
    log = run / "run" / "train.log"
    before[log] += log.read_bytes()[len(before[log]) :]  # Lightning greets the trainer in it
    assert contents(run) == before


def test_a_run_that_is_left_alone_gets_no_record(run):
    before = contents(run)
    del before[run / "run" / "train.log"]  # says so
    succeed_here("train.py", *SMALL, "trainer.max_epochs=2", "hydra.run.dir=run", "resume=true", cwd=run)
    assert contents(run).items() >= before.items() and len(contents(run)) == len(before) + 1


@pytest.mark.parametrize("script", ["sample.py", "evaluate.py"])
@pytest.mark.parametrize(
    "option", ["weights=other", "labels=[77]", "guidance.scale=3", "device=foo", "seed=-1", "sampler.steps=0"]
)
def test_nor_do_the_other_commands_with_overwrite(script, option, run):
    (run / "there").mkdir(exist_ok=True)
    (run / "there" / "mine.txt").write_text("mine")
    before = contents(run)
    for out in "out=there", "out=new/one":
        done = run_here(script, "checkpoint=run", out, "overwrite=true", option, cwd=run)
        assert done.returncode == 1 and contents(run) == before


def overrides(folder):
    return list(OmegaConf.load(folder / ".hydra" / "overrides.yaml"))


FAILING = {
    "dataset=mnist dataset.data_dir=file/x": "false",
    "trainer.accelerator=foo": "true",
    "callbacks.checkpoint.monitor=fid": "false",
}
"""What fails as the data, the trainer and the callbacks are built, and whether it would resume."""


def test_the_record_is_of_the_run_that_trained(tmp_path):
    (tmp_path / "file").touch()
    for failing, resume in FAILING.items():
        options = [*failing.split(), "hydra.run.dir=run", f"resume={resume}"]
        assert run_here("train.py", *SMALL, *options, cwd=tmp_path).returncode == 1
    options = [*SMALL, "optimizer.lr=0.001", "hydra.run.dir=run", "resume=true"]
    succeed_here("train.py", *options, cwd=tmp_path)
    assert overrides(tmp_path / "run") == [o for o in options if not o.startswith("hydra.")]
    assert OmegaConf.load(tmp_path / "run" / ".hydra" / "config.yaml").optimizer.lr == 0.001
    assert str(OmegaConf.load(tmp_path / "run" / ".hydra" / "hydra.yaml").hydra.run.dir) == "run"
    longer = [*options[:-1], "trainer.max_epochs=2", "resume=true"]
    succeed_here("train.py", *longer, cwd=tmp_path)
    assert "trainer.max_epochs=2" not in overrides(tmp_path / "run")
    (resumed,) = (tmp_path / "run" / ".hydra" / "resumed").iterdir()
    assert "trainer.max_epochs=2" in OmegaConf.load(resumed / "overrides.yaml")


@pytest.mark.parametrize("option", ["clamp=none,static", "callbacks.last.every_n_steps=1,2"])
def test_jobs_of_a_sweep_never_share_a_result_whatever_they_differ_in(option, tmp_path):
    """Not even in a folder that the user made one for all."""
    one = ["hydra.sweep.dir=sweep", "hydra.sweep.subdir=one", "resume=true"]
    done = run_here("train.py", "-m", *SMALL, *one, option, cwd=tmp_path)
    key = option.partition("=")[0].replace("clamp", "clamp._target_")
    assert done.returncode == 1 and f"has {key}=" in done.stdout + done.stderr


def test_images_of_a_run_of_before_are_not_known(tmp_path):
    train_in(tmp_path / "run", "trainer.max_epochs=1")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(last, weights_only=True)
    assert len(checkpoint["hyper_parameters"].pop("images_sha256")) == 64
    torch.save(checkpoint, last)
    train_in(tmp_path / "run", "trainer.max_epochs=2", "resume=true")
    assert torch.load(last, weights_only=True)["epoch"] == 2


def test_a_run_says_what_code_it_was_last_started_with(tmp_path):
    train_in(tmp_path / "run", "trainer.max_epochs=1")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    checkpoint = torch.load(last, weights_only=True)
    assert checkpoint["hyper_parameters"]["versions"] == versions()
    checkpoint["hyper_parameters"]["versions"] = {"torch": "1.0"}
    torch.save(checkpoint, last)
    train_in(tmp_path / "run", "trainer.max_epochs=2", "resume=true")
    assert Run.read(tmp_path / "run").config["versions"] == versions()


def test_a_run_that_is_past_its_limit_says_so(tmp_path):
    train_in(tmp_path / "run", "trainer.max_epochs=2")
    with pytest.raises(UserError, match="is in epoch 2 already"):
        train_in(tmp_path / "run", "trainer.max_epochs=1", "resume=true")
