"""Files made at commit e9b7708, before checkpoints had a format number, mean what they meant."""

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from diffusion_lightning.checkpoints.format import FORMAT
from tests.support.command import ROOT
from tests.support.in_process import run_here, succeed_here

EARLIER = ROOT / "tests" / "made_at_e9b7708"
SMALL = [
    *("experiment=digits_cfg", "network.width=4", "trainer.limit_train_batches=3"),
    *("trainer.limit_val_batches=1", "speed=plain", "sampler.steps=2", "callbacks.sample_grid.num_images=4"),
    *("trainer.enable_progress_bar=false", "callbacks.progress_bar=null", "callbacks.checkpoint=null"),
    "trainer.log_every_n_steps=1",
]
JOB = (
    "callbacks.checkpoint=null,callbacks.progress_bar=null,callbacks.sample_grid.num_images=4,"
    "experiment=digits_cfg,network.width=4,sampler.steps-"
)
SWEEP = {"linear": f"{JOB}7236ecc2", "cosine": f"{JOB}44c1e2e9"}
"""The folders of the sweep's jobs, as they were called there."""

STUDY = [
    *("speed=plain", "sampler=ddim,heun", "sampler.steps=3", "num_images=20", "metrics=[fid,classes,bits]"),
    *("metrics.bits.num_images=4", "metrics.bits.steps=3", "metrics.bits.flow.steps=2"),
]
RECORD = (
    "metrics.bits.flow.steps=2,metrics.bits.num_images=4,metrics.bits.steps=3,metrics=[fid,classes,bits],"
    "num_images=20,sampler.steps=3,sampler="
)
RECORDS = {"ddim": f"{RECORD}dd-bea3ec95", "heun": f"{RECORD}he-fe101a10"}


@pytest.fixture
def earlier(tmp_path):
    """The files of then, in folders of the names of then."""
    shutil.copytree(EARLIER / "linear", tmp_path / "linear")
    for name, job in SWEEP.items():
        shutil.copytree(EARLIER / name, tmp_path / "sweep" / job)
    for name, job in RECORDS.items():
        shutil.copytree(EARLIER / "study" / name, tmp_path / "study" / job)
    return tmp_path


def test_a_checkpoint_draws_its_images(earlier):
    options = ["speed=plain", "sampler.steps=5", "num_images=20", "out=drawn"]
    succeed_here("sample.py", "checkpoint=linear", *options, cwd=earlier)
    with np.load(earlier / "drawn" / "samples.npz") as now, np.load(EARLIER / "drawn.npz") as then:
        np.testing.assert_array_equal(now["arr_1"], then["arr_1"])
        # Another processor may round differently
        assert np.abs(now["arr_0"].astype(int) - then["arr_0"]).max() <= 1


def test_a_run_resumes_to_the_weights_of_a_run_left_alone_there(earlier):
    options = [*SMALL, "schedule=linear", "trainer.max_epochs=3", "hydra.run.dir=linear", "resume=true"]
    succeed_here("train.py", *options, cwd=earlier)
    checkpoint = torch.load(earlier / "linear" / "checkpoints" / "last.ckpt", weights_only=True)
    for name, then in load_file(EARLIER / "three_epochs.safetensors").items():
        kind, _, key = name.partition(".")
        now = checkpoint[{"ema": "state_dict", "raw": "current_model_state"}[kind]][key]
        torch.testing.assert_close(now, then, rtol=0, atol=1e-6)
    assert checkpoint["diffusion_lightning"]["format"] == FORMAT
    assert checkpoint["images_seen"] == 3 * 3 * 64  # its first six steps were not counted, but multiplied
    network = checkpoint["hyper_parameters"]["network"]
    assert (network["norm_groups"], network["norm_eps"], network["downsample_padding"]) == (None, 1e-5, 1)


def test_an_option_younger_than_the_run_cannot_change_it(earlier):
    options = [*SMALL, "schedule=linear", "trainer.max_epochs=3", "hydra.run.dir=linear", "resume=true"]
    done = run_here("train.py", *options, "network.norm_groups=2", cwd=earlier)
    assert done.returncode == 1
    assert "has network.norm_groups=None, but this command says 2" in done.stderr


def test_a_sweep_counts_as_done(earlier):
    before = {path: path.read_bytes() for path in earlier.glob("sweep/*/checkpoints/last.ckpt")}
    options = [*SMALL, "trainer.max_epochs=2", "hydra.sweep.dir=sweep", "resume=true"]
    done = succeed_here("train.py", "-m", "schedule=linear,cosine", *options, cwd=earlier)
    assert done.stdout.count("finished already") == 2
    assert {path: path.read_bytes() for path in earlier.glob("sweep/*/checkpoints/last.ckpt")} == before
    assert len(before) == 2


def test_evaluations_count_as_done(earlier):
    options = ["checkpoint=linear", *STUDY, "hydra.sweep.dir=study"]
    done = succeed_here("evaluate.py", "-m", *options, cwd=earlier)
    assert done.stdout.count("done already") == 2
    assert len((earlier / "study" / "study.csv").read_text().splitlines()) == 3


def test_a_record_from_before_an_option_counts_as_done(earlier):
    """`dataset=` writes all options of the data set into the record."""
    options = ["checkpoint=linear", "dataset=digits", "metrics=[colours]", "num_images=4", "sampler.steps=2"]
    succeed_here("evaluate.py", *options, "out=record", cwd=earlier)
    record = json.loads((earlier / "record" / "evaluation.json").read_text())
    for option in "classes", "limit":
        del record["asked"]["dataset"][option]
    (earlier / "record" / "evaluation.json").write_text(json.dumps(record))
    assert "done already" in succeed_here("evaluate.py", *options, "out=record", cwd=earlier).stdout
    other = run_here("evaluate.py", *options, "dataset.limit=9", "out=record", cwd=earlier)
    assert other.returncode == 1 and "holds another evaluation" in other.stderr


def test_an_evaluation_made_again_says_the_same(earlier, cache):
    """And finds the statistics of the test images in the cache of then."""
    statistics = cache / "statistics"
    shutil.copytree(EARLIER / "statistics", statistics, dirs_exist_ok=True)
    (known,) = (path.name for path in (EARLIER / "statistics").iterdir())
    written = (statistics / known).stat().st_mtime_ns
    options = ["checkpoint=linear", *(o.replace("ddim,heun", "ddim") for o in STUDY), "out=again"]
    succeed_here("evaluate.py", *options, cwd=earlier)
    now = json.loads((earlier / "again" / "evaluation.json").read_text())
    then = json.loads((EARLIER / "study" / "ddim" / "evaluation.json").read_text())
    assert (statistics / known).stat().st_mtime_ns == written
    assert now["provenance"]["extractor_sha256"] == then["provenance"]["extractor_sha256"]
    for figures in "samples", "floor", "floor_same_n":
        assert now[figures] == pytest.approx(then[figures], rel=1e-3)
