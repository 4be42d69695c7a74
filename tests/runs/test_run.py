"""Folders of runs of every kind are read as what they are."""

import os

import pytest
import torch
from filelock import FileLock

from diffusion_lightning.checkpoints.format import NOT_FINITE
from diffusion_lightning.errors import UserError
from diffusion_lightning.files import LOCK
from diffusion_lightning.runs.metrics import Curve
from diffusion_lightning.runs.run import Run
from diffusion_lightning.runs.sweep import Sweep, read
from tests.support.run_folders import (
    LOSSES,
    SAVED,
    save_checkpoint,
    write_evaluation,
    write_failure,
    write_run,
    write_table,
)


def test_a_finished_run_is_read_as_it_was_written(tmp_path):
    run = read(write_run(tmp_path / "run"))
    assert isinstance(run, Run) and (run.state, run.error, run.problem) == ("finished", "", "")
    assert run.metrics.curve("val/loss") == Curve((640, 1280, 1920, 2560), LOSSES)
    assert run.metrics.curve("nothing") == Curve((), ())
    assert run.metrics.last()["fid"] == 100 * LOSSES[-1] and run.metrics.last()["lr-Adam"] == 1e-3
    assert [(picture.step, picture.images_seen) for picture in run.pictures] == [
        *((10, 640), (20, 1280), (30, 1920), (40, 2560))
    ]
    assert run.config["optimizer"]["lr"] == 1e-3 and run.overrides == ("seed=3",)
    saved = torch.load(SAVED, weights_only=True)
    assert run.saved.step == saved["global_step"] and run.saved.finished is saved["finished"] is True


def test_a_killed_run_is_stopped_and_its_half_line_left_out(tmp_path):
    folder = write_run(tmp_path / "run", finished=False)
    with (folder / "metrics.csv").open("a") as file:
        file.write("4,99,0.0")
    (folder / LOCK).touch()  # of a process that is no more
    run = Run.read(folder)
    assert run.state == "stopped" and run.metrics.last()["fid"] == 100 * LOSSES[-1]


def test_a_run_is_running_while_its_process_holds_the_folder(tmp_path):
    folder = write_run(tmp_path / "run")
    with FileLock(folder / LOCK):
        assert Run.read(folder).state == "running"
    assert Run.read(folder).state == "finished"


def test_a_run_failed_if_its_state_before_a_step_is_the_latest(tmp_path):
    folder = write_run(tmp_path / "run", finished=False)
    spoilt, last = folder / "checkpoints" / NOT_FINITE, folder / "checkpoints" / "last.ckpt"
    save_checkpoint(spoilt)
    os.utime(last, (1, 1))
    assert Run.read(folder).state == "failed" and "not finite" in Run.read(folder).error
    os.utime(spoilt, (0, 0))  # it was resumed, and came further
    assert Run.read(folder).state == "stopped"


def test_a_resumed_run_is_read_anew(tmp_path):
    folder = write_run(tmp_path / "run", finished=False)
    assert Run.read(folder).state == "stopped"
    save_checkpoint(folder / "checkpoints" / "last.ckpt")
    assert Run.read(folder).state == "finished"


def test_a_run_without_pictures_config_and_whole_checkpoint_is_still_one(tmp_path):
    folder = write_run(tmp_path / "run", pictures=False)
    (folder / "hparams.yaml").write_text("a: [")
    (folder / "checkpoints" / "last.ckpt").write_bytes(b"half")
    run = Run.read(folder)
    assert run.pictures == () and run.config == {} and run.saved is None
    assert run.state == "stopped" and "truncated" in run.problem


def test_without_its_own_file_the_config_is_the_checkpoints(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "hparams.yaml").unlink()
    assert Run.read(folder).config["schedule"]["_target_"] == "diffusion_lightning.Linear"


def test_evaluations_within_the_folder_are_found(tmp_path):
    folder = write_run(tmp_path / "run")
    write_evaluation(folder / "evaluations" / "one", "abc")
    (folder / "other").mkdir()
    (folder / "other" / "evaluation.json").write_text('{"samples": 3}')
    (evaluation,) = Run.read(folder).evaluations
    assert evaluation.folder.name == "one" and evaluation.checkpoint == "abc"


def test_a_sweep_has_its_table_and_its_runs(tmp_path):
    write_run(tmp_path / "b", losses=(1.0,))
    write_run(tmp_path / "a", losses=(1.0,))
    write_failure(tmp_path / "lr=1e20", "the gradient is not finite")
    write_table(tmp_path, [{"val/loss": 0.5, "folder": name} for name in ("b", "lr=1e20")])
    sweep = read(tmp_path)
    assert isinstance(sweep, Sweep) and [row["folder"] for row in sweep.rows] == ["b", "lr=1e20"]
    assert {name: run.state for name, run in sweep.runs.items()} == {
        **{"b": "finished", "lr=1e20": "failed", "a": "finished"}
    }
    assert [*sweep.runs] == ["b", "lr=1e20", "a"]
    assert sweep.runs["lr=1e20"].error == "the gradient is not finite"


def test_what_is_no_run_is_refused_in_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("hello")
    for name, message in (("empty", "holds no runs"), ("file", "no folder"), ("nowhere", "no folder")):
        with pytest.raises(UserError, match=message):
            read(tmp_path / name)
    folder = write_run(tmp_path / "run")
    (folder / "metrics.csv").write_text("step,val/loss\n1,half\n")
    with pytest.raises(UserError, match=r"metrics.csv is damaged"):
        read(folder)
