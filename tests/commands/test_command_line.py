"""train.py and sample.py as a person runs them, on the embedded digits."""

import csv
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from omegaconf import open_dict
from omegaconf.errors import ReadonlyConfigError
from PIL import Image

from diffusion_lightning.commands.sample import sample
from diffusion_lightning.commands.task import Task
from tests.support.command import ROOT, SMALL
from tests.support.configs import composed
from tests.support.evil import Evil
from tests.support.in_process import run_here, succeed_here
from tests.support.runs import succeed_apart


def fail(script, *args, cwd):
    """The error text of a run that must fail with a message and without a traceback."""
    done = run_here(script, *args, cwd=cwd)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr, done.stderr
    return done.stderr


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """A folder with a run in it, and what the command said."""
    folder = tmp_path_factory.mktemp("cfg run")
    return folder, succeed_apart("train.py", "experiment=digits_cfg", *SMALL, "hydra.run.dir=run", cwd=folder)


@pytest.fixture(scope="module")
def trained(training):
    return training[0] / "run"


def test_a_log_has_lines_of_our_own_and_no_bars(training):
    """Nor what libraries say of our own defaults, nor Lightning's advertisements."""
    _, done = training
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert all("][INFO] - " in line and "lightning.pytorch" not in line for line in lines)
    said = [line.partition("][INFO] - ")[2].split()[0] for line in lines]
    assert said == ["training", "samples:", "epoch", "run:"]
    for bar in "it/s", "%|", "\r":
        assert bar not in done.stdout


def load(folder):
    with np.load(folder / "samples.npz") as file:
        return file["arr_0"], file["arr_1"]


def test_a_run_leaves_its_files(trained):
    names = {str(p.relative_to(trained)) for p in trained.rglob("*") if p.is_file()}
    assert {"checkpoints/last.ckpt", "checkpoints/best-epoch0000-step0000003.ckpt", "metrics.csv"} <= names
    assert {"samples/step_0000003.png", ".hydra/config.yaml"} <= names
    header = (trained / "metrics.csv").read_text().splitlines()[0].split(",")
    assert {"val/loss", "train/loss_t0-25", "val/loss_t75-100"} <= set(header)


def test_checkpoint_is_plain_and_keeps_both_weights(trained):
    checkpoint = torch.load(trained / "checkpoints" / "last.ckpt", weights_only=True)
    averaged, raw = checkpoint["state_dict"], checkpoint["current_model_state"]
    assert averaged.keys() == raw.keys() and any(not averaged[k].equal(raw[k]) for k in raw)
    assert checkpoint["hyper_parameters"]["dataset"]["num_classes"] == 10


@pytest.mark.parametrize("sampler", ["ddim", "ddpm"])
def test_images_do_not_depend_on_the_batch(trained, tmp_path, sampler):
    images = []
    for size in (4, 7, 16):
        args = [f"sampler={sampler}", "sampler.steps=20", "num_images=16", f"batch_size={size}"]
        succeed_here("sample.py", f"checkpoint={trained}", *args, f"out={size}", cwd=tmp_path)
        images.append(load(tmp_path / str(size))[0].astype(int))
    # 8-bit pixels: a last-bit difference of the network may fall on the edge of two
    assert all(np.abs(images[0] - other).max() <= 1 for other in images[1:])


def test_sampling_writes_the_evaluation_format(trained, tmp_path):
    options = ["sampler=ddim", "sampler.steps=5", "sampler/grid=quadratic", "guidance.scale=3", "clamp=none"]
    options += ["labels=[3,1,4]", "num_images=7", "weights=raw", "out=a b"]
    succeed_here("sample.py", f"checkpoint={trained / 'checkpoints' / 'last.ckpt'}", *options, cwd=tmp_path)
    images, labels = load(tmp_path / "a b")
    assert images.shape == (7, 8, 8, 1) and images.dtype == np.uint8
    assert labels.tolist() == [3, 1, 4, 3, 1, 4, 3]
    record = json.loads((tmp_path / "a b" / "sampling.json").read_text())
    assert record["nfe"] == 5 and record["guidance"]["scale"] == 3 and record["seed"] == 0
    assert (tmp_path / "a b" / "grid.png").stat().st_size > 0
    assert "overwrite=true" in fail("sample.py", f"checkpoint={trained}", "out=a b", cwd=tmp_path)


def test_resume_goes_on_in_place(tmp_path):
    args = [*SMALL, "hydra.run.dir=run"]
    succeed_here("train.py", *args, cwd=tmp_path)
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert "resume=true" in fail("train.py", *args, cwd=tmp_path)
    succeed_here("train.py", *args, "trainer.max_epochs=2", "resume=true", cwd=tmp_path)
    checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 6
    assert (tmp_path / "run" / "metrics.csv").read_text().splitlines()[: len(rows)] == rows


def test_sweep_names_its_folders_and_survives_a_bad_job(tmp_path):
    """Nor do the jobs stay away that would be launched after it."""
    options = ["schedule=linear,cosine", "guidance.scale=1,0", "hydra.sweep.dir=sweep"]
    done = run_here("train.py", "-m", *SMALL, *options, "hydra.sweeper.max_batch_size=1", cwd=tmp_path)
    assert done.returncode == 1 and "error: 2 jobs of the sweep failed" in done.stderr.splitlines()[-1]
    assert "only scale=0" in done.stderr.splitlines()[-1] and "Traceback" not in done.stderr
    finished = {p.parent.parent.name for p in (tmp_path / "sweep").glob("*/checkpoints/last.ckpt")}
    assert len(finished) == 2 and all("guidance.scale=0" in name for name in finished)


def test_a_sweep_of_samples_names_its_folders(trained, tmp_path):
    options = ["sampler=ddim,heun", "sampler.steps=3", "num_images=2", "hydra.sweep.dir=sweep"]
    succeed_here("sample.py", "-m", f"checkpoint='{trained}'", *options, cwd=tmp_path)
    for name, nfe in (("ddim", 3), ("heun", 5)):
        folder = tmp_path / "sweep" / f"num_images=2,sampler.steps=3,sampler={name}"
        assert json.loads((folder / "sampling.json").read_text())["nfe"] == nfe
    assert {p.name for p in tmp_path.iterdir()} == {"sweep"}


@pytest.mark.parametrize("script", ["sample.py", "evaluate.py"])
def test_a_bad_job_ends_no_sweep_of_samples_either(script, trained, tmp_path):
    options = ["guidance.rescale=2,0", "num_images=2", "sampler.steps=2", "hydra.sweep.dir=sweep"]
    options += {"evaluate.py": ["metrics=[colours]", "hydra.sweeper.max_batch_size=1"]}.get(script, [])
    done = run_here(script, "-m", f"checkpoint={trained}", *options, cwd=tmp_path)
    assert done.returncode == 1 and "a job of the sweep failed" in done.stderr
    (failure,) = tmp_path.glob("sweep/*/failed.json")
    assert "rescale is 2" in json.loads(failure.read_text())["error"]
    (finished,) = tmp_path.glob("sweep/*/samples.*")
    assert "guidance.rescale=0" in finished.parent.name and "guidance.rescale=2" in failure.parent.name
    if script == "evaluate.py":
        with (tmp_path / "sweep" / "study.csv").open() as file:
            good, bad = csv.DictReader(file)
        assert good["failed"] == "" and "rescale is 2" in bad["failed"] and bad["nfe"] == ""
        options[0] = "guidance.rescale=0"
        assert run_here(script, "-m", f"checkpoint={trained}", *options, cwd=tmp_path).returncode == 0


def test_a_sweep_over_where_the_data_are_has_a_folder_for_each(tmp_path):
    for name, value in (("cats", 0), ("dogs", 255)):
        for i in range(4):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.new("L", (8, 8), value).save(tmp_path / name / f"{i}.png")
    options = [
        "dataset=image_folder",
        "dataset.image_size=8",
        "dataset.image_channels=1",
        "network=unet_tiny",
    ]
    options += ["trainer.max_steps=2", "trainer.limit_val_batches=1", "data_dir=cats,dogs", "resume=true"]
    done = succeed_here("train.py", "-m", *SMALL, *options, "hydra.sweep.dir=sweep", cwd=tmp_path)
    assert "finished already" not in done.stdout
    runs = sorted(tmp_path.glob("sweep/*/checkpoints/last.ckpt"))
    learned = [torch.load(run, weights_only=True)["hyper_parameters"]["data_dir"] for run in runs]
    assert learned == ["cats", "dogs"]


def bad_checkpoints(folder, good):
    """Name → what the message says."""
    (folder / "short.ckpt").write_bytes(good.read_bytes()[:5000])
    (folder / "empty.ckpt").write_bytes(b"")
    torch.save({"x": Evil()}, folder / "evil.ckpt")
    torch.save({"state_dict": {}}, folder / "foreign.ckpt")
    (folder / "text.ckpt").write_text("hello")
    checkpoint = torch.load(good, weights_only=True)
    checkpoint["hyper_parameters"]["network"] = {"_target_": "os.system", "command": "touch executed"}
    torch.save(checkpoint, folder / "target.ckpt")
    with zipfile.ZipFile(folder / "zip.ckpt", "w") as file:
        file.writestr("a", "b")
    return {
        "short": "truncated",
        "empty": "truncated",
        "evil": "refused",
        "foreign": "not a checkpoint of this project",
        "text": "truncated",
        "target": "os.system",
        "zip": "truncated",
        "absent": "no checkpoint at",
    }


def test_bad_checkpoints_are_refused_and_never_executed(trained, tmp_path):
    from diffusion_lightning.checkpoints.reader import load_denoiser, read_checkpoint
    from diffusion_lightning.errors import UserError

    for name, message in bad_checkpoints(tmp_path, trained / "checkpoints" / "last.ckpt").items():
        with pytest.raises(UserError, match=message):
            load_denoiser(read_checkpoint(tmp_path / f"{name}.ckpt"))
    assert "refused" in fail("sample.py", f"checkpoint={tmp_path / 'evil.ckpt'}", cwd=tmp_path)
    assert not (tmp_path / "executed").exists() and not Path("executed").exists()


def test_a_task_that_arrives_in_a_worker_registers_its_resolvers(tmp_path):
    """And knows what the sweep is over; the worker has imported nothing of ours before."""
    file = tmp_path / "task.pkl"
    file.write_bytes(cloudpickle.dumps(Task(sample, "sample", {"data_dir"})))
    worker = """
import pickle, sys
task = pickle.load(open(sys.argv[1], "rb"))
from omegaconf import OmegaConf
cfg = OmegaConf.create({"left_out": "${unnamed_options:sample}", "hydra": {"sweeper": {}}})
print(task.function.__name__, *cfg.left_out)
"""
    done = subprocess.run([sys.executable, "-c", worker, file], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.split() == ["sample", "checkpoint", "device", "batch_size", "overwrite"], done.stderr


def test_a_command_gets_a_config_that_nobody_can_write():
    def write(cfg):
        cfg.seed = 3

    cfg = composed("sample", "out=drawn")
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    with pytest.raises(ReadonlyConfigError):
        Task(write, "sample")(cfg)
    assert cfg.seed == 0


HEAVY = "torch", "lightning", "torchvision", "torchmetrics", "wandb", "matplotlib", "diffusers", "numpy"


@pytest.mark.parametrize(
    ("command", "left_out"),
    [
        (["-c", "import diffusion_lightning"], HEAVY),
        ([ROOT / "train.py", "--help"], HEAVY),
        (["-m", "diffusion_lightning.commands.train_extractor", "--help"], HEAVY),
        (["-m", "diffusion_lightning.commands.sweep_tables", "--help"], HEAVY),
        pytest.param(
            ["-c", "import diffusion_lightning.config.build"],
            ["wandb", "diffusers", "sklearn", "pandas"],
            marks=pytest.mark.slow,
        ),
    ],
)
def test_nothing_heavy_is_imported_before_it_is_needed(command, left_out):
    done = subprocess.run([sys.executable, "-X", "importtime", *command], capture_output=True, text=True)
    assert done.returncode == 0
    imported = {line.rpartition("|")[2].strip() for line in done.stderr.splitlines() if "|" in line}
    assert "diffusion_lightning" in imported and not imported & set(left_out)
