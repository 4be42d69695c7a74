"""A run that was killed and resumed equals one that was not."""

import os
import random
import shutil
import signal

import pytest
import torch

from diffusion_lightning.errors import UserError
from tests.support.runs import Died, Watch, differences, left_behind, train_in

FID = ["callbacks.fid.num_images=4", "callbacks.fid.sampler.steps=1", "callbacks.fid.kid_subset_size=4"]


def die():
    raise Died


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    """The hooks of a run, in order, and what it leaves behind."""
    folder, watch = tmp_path_factory.mktemp("uninterrupted") / "run", Watch()
    train_in(folder, callbacks=[watch])
    return watch.seen, left_behind(folder)


def places(count, seed):
    return [i / count + random.Random(f"{seed} {i}").random() / count for i in range(count)]


@pytest.mark.parametrize(
    "place",
    [
        pytest.param(place, marks=[pytest.mark.slow] * (i % 4 > 0))
        for i, place in enumerate(places(8, seed=0))
    ],
)
def test_a_run_may_die_anywhere(uninterrupted, place, tmp_path):
    hooks, expected = uninterrupted
    n = 1 + int(place * len(hooks))
    with pytest.raises(Died):
        train_in(tmp_path / "run", callbacks=[Watch(n, die)])
    train_in(tmp_path / "run", "resume=true")
    assert differences(expected, left_behind(tmp_path / "run")) == [], hooks[n - 1]


@pytest.mark.slow
def test_a_run_may_die_again_and_again(uninterrupted, tmp_path):
    for n in (30, 12, 3, 9):
        with pytest.raises(Died):
            train_in(tmp_path / "run", "resume=true", callbacks=[Watch(n, die)])
    train_in(tmp_path / "run", "resume=true")
    assert differences(uninterrupted[1], left_behind(tmp_path / "run")) == []


@pytest.mark.parametrize(
    "options",
    [
        pytest.param(
            ["trainer.accumulate_grad_batches=4", "callbacks.last.every_n_steps=1"],  # of 6 batches
            marks=pytest.mark.slow,
        ),
        pytest.param(
            ["trainer.val_check_interval=0.5", "callbacks.sample_grid.every_n_steps=3", "guidance=cfg"],
            marks=pytest.mark.slow,
        ),
        pytest.param(
            [
                "trainer.check_val_every_n_epoch=null",
                "trainer.val_check_interval=4",
                "trainer.precision=bf16-mixed",
            ],
            marks=pytest.mark.slow,
        ),
        ["callbacks=fid", "callbacks.checkpoint.monitor=fid", "callbacks.fid.every_n_epochs=2", *FID],
    ],
    ids=lambda options: options[0],
)
def test_a_run_may_die_anywhere_with_other_options(options, tmp_path):
    train_in(tmp_path / "whole", *options)
    for n in (25, 40):
        with pytest.raises(Died):
            train_in(tmp_path / "run", *options, "resume=true", callbacks=[Watch(n, die)])
    train_in(tmp_path / "run", *options, "resume=true")
    whole, resumed = left_behind(tmp_path / "whole"), left_behind(tmp_path / "run")
    assert differences(whole, resumed) == []


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, pytest.param(signal.SIGUSR1, marks=pytest.mark.slow), signal.SIGINT],
    ids=lambda s: s.name,
)
def test_a_signal_stops_with_a_checkpoint(uninterrupted, number, tmp_path):
    hooks, expected = uninterrupted
    told = Watch(hooks.index("on_train_batch_end 9"), lambda: os.kill(os.getpid(), number))
    with pytest.raises(SystemExit) as stopped:
        train_in(tmp_path / "run", "callbacks.last.every_n_steps=null", callbacks=[told])
    assert stopped.value.code == 128 + number
    checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert checkpoint["global_step"] == 9
    train_in(tmp_path / "run", "resume=true")
    assert differences(expected, left_behind(tmp_path / "run")) == []


def test_handlers_are_restored(tmp_path):
    before = [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)]
    train_in(tmp_path / "run", "trainer.max_epochs=1")
    with pytest.raises(Died):
        train_in(tmp_path / "other", callbacks=[Watch(9, die)])
    assert [signal.getsignal(s) for s in (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)] == before


def test_it_is_written_again_when_it_is_old(tmp_path):
    options, watch = (
        ["callbacks.last.every_n_steps=null", "callbacks.last.every_n_minutes=1e-9"],
        Watch(15, die),
    )
    with pytest.raises(Died):
        train_in(tmp_path / "run", *options, callbacks=[watch])
    checkpoint = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert watch.seen[-1] == "on_train_batch_start 4" and checkpoint["global_step"] == 3


def test_a_fast_development_run_writes_no_checkpoint(tmp_path):
    train_in(tmp_path / "run", "trainer.fast_dev_run=true")
    assert not (tmp_path / "run" / "checkpoints").exists()


def but_for_samples(different):
    """The differences without the grids and the figures of the grids."""
    return [name for name in different if name not in ("grids", "metrics") and "SampleGrid" not in name]


def test_a_finished_run_is_left_alone_and_a_longer_one_resumes(uninterrupted, tmp_path):
    value = train_in(tmp_path / "run", "trainer.max_epochs=2")
    files = {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")}
    assert train_in(tmp_path / "run", "trainer.max_epochs=2", "resume=true") == value
    assert {path: path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")} == files
    train_in(tmp_path / "run", "resume=true")
    assert but_for_samples(differences(uninterrupted[1], left_behind(tmp_path / "run"))) == []


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    """The folder of a run that died in its third epoch."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    with pytest.raises(Died):
        train_in(folder, callbacks=[Watch(40, die)])
    return folder


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["network.width=16"], "network.width=8.*16"),
        (["optimizer.lr=0.5"], "optimizer.lr"),
        (["seed=1"], "seed=0.*1"),
        (["schedule=cosine"], "schedule"),
        (["dataset.batch_size=32"], "images per step"),
    ],
)
def test_another_run_is_not_resumed(options, message, stopped):
    with pytest.raises(UserError, match=message):
        train_in(stopped, *options, "resume=true")
    with pytest.raises(UserError, match="resume=true"):
        train_in(stopped)


OTHERWISE = "sampler=heun", "clamp=none", "callbacks.sample_grid.seed=1", "dataset.num_workers=1"


def test_samples_may_be_drawn_otherwise_in_a_resumed_run(uninterrupted, stopped, tmp_path):
    shutil.copytree(stopped, tmp_path / "run")
    train_in(tmp_path / "run", "resume=true", *OTHERWISE)
    different = differences(uninterrupted[1], left_behind(tmp_path / "run"))
    assert "grids" in different and but_for_samples(different) == []
