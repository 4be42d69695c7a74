"""A folder has a name of its own, and belongs to one process at a time."""

import multiprocessing
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from filelock import FileLock

from diffusion_lightning.commands import folders
from diffusion_lightning.commands.folders import held, new_folder, run_folder
from diffusion_lightning.errors import UserError
from tests.support.command import SMALL
from tests.support.in_process import run_here
from tests.support.runs import PROCESSES, start, torchrun, train_in


def test_all_that_start_in_one_second_get_folders_of_their_own(tmp_path):
    with ThreadPoolExecutor(16) as pool:
        names = list(pool.map(new_folder, [str(tmp_path / "outputs")] * 40))
    assert len(set(names)) == 40 and all(Path(name).is_dir() for name in names)


def test_the_job_of_a_slurm_array_gets_one_too(tmp_path, monkeypatch):
    for task in range(3):
        monkeypatch.setenv("SLURM_ARRAY_TASK_ID", str(task))
        monkeypatch.setenv("SLURM_PROCID", "0")
        run_folder(str(tmp_path))
    assert len(list(tmp_path.iterdir())) == 3


def test_a_second_process_is_told(tmp_path):
    with held(tmp_path, "out"), pytest.raises(UserError, match=r"in use by another process.* out=<folder>"):  # noqa: SIM117
        with held(tmp_path, "out"):
            raise AssertionError
    with held(tmp_path, "out"):
        assert (tmp_path / folders.LOCK).exists()
    assert list(tmp_path.iterdir()) == []


def hold(folder, pipe):
    with held(folder, "out"):
        pipe.send("held")
        time.sleep(60)


@pytest.fixture
def killed(tmp_path):
    """A folder that a process held when it was killed."""
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=hold, args=(tmp_path / "run", theirs))
    process.start()
    assert ours.recv() == "held"
    with pytest.raises(UserError), held(tmp_path / "run", "out"):
        pass
    process.kill()
    process.join()
    return tmp_path / "run"


def test_the_lock_of_a_killed_process_blocks_nobody(killed):
    assert (killed / folders.LOCK).exists()
    with held(killed, "out"):
        pass


def sleep():
    signal.pause()


def hold_with_a_child(folder, pipe):
    with held(folder, "out"):
        child = multiprocessing.get_context("fork").Process(target=sleep)
        child.start()
        pipe.send(child.pid)
        time.sleep(60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no such children")
def test_nor_do_the_children_that_it_leaves(tmp_path):
    """The workers of a data loader outlive a killed process by some seconds."""
    ours, theirs = PROCESSES.Pipe()
    process = PROCESSES.Process(target=hold_with_a_child, args=(tmp_path, theirs))
    process.start()
    child = ours.recv()
    process.kill()
    process.join()
    try:
        with held(tmp_path, "out"):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


@pytest.mark.parametrize("reason", folders.NO_LOCKS)
def test_a_disk_without_locks_is_warned_of(reason, tmp_path, monkeypatch, caplog):
    def refuse(self, timeout):
        raise OSError(reason, os.strerror(reason))

    monkeypatch.setattr(FileLock, "acquire", refuse)
    with held(tmp_path, "out"):
        assert "start no other command there" in caplog.text


def test_processes_that_were_started_together_share_it(tmp_path, monkeypatch):
    with held(tmp_path, "out"):
        for name, value in {**torchrun(1, 2)}.items():
            monkeypatch.setenv(name, str(value))
        with held(tmp_path, "out"):
            pass
        for name in torchrun(1, 2):
            monkeypatch.delenv(name)
        monkeypatch.setenv("LOCAL_RANK", "1")  # as Lightning tells those that it starts
        with held(tmp_path, "out"):
            pass


def test_what_stays_empty_is_removed_but_not_where_we_are(tmp_path, monkeypatch):
    with pytest.raises(ZeroDivisionError), held(tmp_path / "a", "out"):
        raise ZeroDivisionError
    assert not (tmp_path / "a").exists()
    monkeypatch.chdir(tmp_path)
    with held(tmp_path, "out"):
        pass
    assert tmp_path.exists()


COMMANDS = {
    "train.py": [*SMALL, "hydra.run.dir=there"],
    "sample.py": ["checkpoint=run", "out=there"],
    "evaluate.py": ["checkpoint=run", "out=there"],
}


@pytest.mark.parametrize("script", COMMANDS)
def test_no_command_works_in_a_folder_of_another_process(script, tmp_path):
    (tmp_path / "there").mkdir()
    with FileLock(tmp_path / "there" / folders.LOCK):
        refused = run_here(script, *COMMANDS[script], cwd=tmp_path)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    assert "there is in use by another process" in refused.stderr
    assert {path.name for path in (tmp_path / "there").iterdir()} <= {folders.LOCK}


def test_two_trainings_in_one_folder_leave_the_first_as_if_it_were_alone(tmp_path):
    first = start(train_in, tmp_path / "run", "trainer.max_epochs=12")
    while not (tmp_path / "run" / "checkpoints" / "last.ckpt").exists():
        assert first.is_alive()
        time.sleep(0.01)
    for resume in "true", "false":
        with pytest.raises(UserError, match="in use by another process"):
            train_in(tmp_path / "run", "seed=1", f"resume={resume}")
    first.join()
    assert first.exitcode == 0
    rows = (tmp_path / "run" / "metrics.csv").read_text().splitlines()[1:]
    keys = [row.split(",") for row in rows]
    assert len({tuple(key) for key in keys}) == len(keys)


@pytest.mark.parametrize("script", ["sample.py", "evaluate.py"])
@pytest.mark.parametrize("more", [[], ["overwrite=true"]])
def test_jobs_of_a_sweep_never_write_into_one_out(script, more, tmp_path):
    done = run_here(script, "-m", "checkpoint=run", "out=one", "seed=0,1", *more, cwd=tmp_path)
    assert done.returncode == 1 and "out=one is one folder for jobs of a sweep" in done.stdout + done.stderr
    assert not (tmp_path / "one").exists()
