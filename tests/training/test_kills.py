"""Processes that are killed, get a signal, or run on a full disk."""

import random
import signal
import subprocess
import time
from resource import RLIM_INFINITY, RLIMIT_FSIZE, setrlimit

import pytest
import torch

from diffusion_lightning.errors import UserError
from tests.support.killers import KillWhileSaving
from tests.support.runs import differences, left_behind, start, train_in

LONG = "trainer.max_epochs=8"
SECONDS = 1.2  # about the time of that training


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted") / "run"
    train_in(folder, LONG)
    return left_behind(folder)


def started(folder):
    """A process that has started to train."""
    process = start(train_in, folder, LONG)
    while not (folder / "checkpoints" / "last.ckpt").exists():
        assert process.is_alive(), "ended before its first checkpoint"
        time.sleep(0.01)
    return process


@pytest.mark.parametrize("i", [0, *(pytest.param(i, marks=pytest.mark.slow) for i in range(1, 20))])
def test_a_kill_at_a_random_moment_changes_nothing(uninterrupted, i, tmp_path):
    process, moment = started(tmp_path / "run"), random.uniform(0, SECONDS)
    time.sleep(moment)
    process.kill()
    process.join()
    assert process.exitcode in (-signal.SIGKILL, 0)
    train_in(tmp_path / "run", LONG, "resume=true")
    assert differences(uninterrupted, left_behind(tmp_path / "run")) == [], f"killed after {moment:.3f} s"


@pytest.mark.parametrize(
    "number",
    [signal.SIGTERM, *(pytest.param(s, marks=pytest.mark.slow) for s in (signal.SIGUSR1, signal.SIGINT))],
    ids=lambda s: s.name,
)
def test_a_signal_ends_the_process_with_its_exit_code(number, tmp_path):
    process = started(tmp_path / "run")
    signal_at = time.monotonic()
    subprocess.run(["kill", f"-{number.name[3:]}", str(process.pid)], check=True)
    process.join(30)
    assert process.exitcode == 128 + number and time.monotonic() - signal_at < 30


@pytest.mark.slow
def test_a_kill_inside_the_write_costs_nothing(uninterrupted, tmp_path):
    process = start(train_in, tmp_path / "run", LONG, callbacks=[KillWhileSaving(5)])
    process.join()
    assert process.exitcode == -signal.SIGKILL
    checkpoints = tmp_path / "run" / "checkpoints"
    (unfinished,) = checkpoints.glob(".*.unfinished")
    with pytest.raises(RuntimeError):
        torch.load(unfinished, weights_only=True)
    assert torch.load(checkpoints / "last.ckpt", weights_only=True)["global_step"] > 0
    train_in(tmp_path / "run", LONG, "resume=true")
    assert differences(uninterrupted, left_behind(tmp_path / "run")) == []


@pytest.fixture(params=["file", "disk"])
def full(request, tmp_path):
    """A run folder with room for the first checkpoint only, which has no state of the optimizer yet.

    The value is a function that makes room.
    """
    if request.param == "file":
        setrlimit(RLIMIT_FSIZE, (250_000, RLIM_INFINITY))
        yield lambda: setrlimit(RLIMIT_FSIZE, (RLIM_INFINITY, RLIM_INFINITY))
        setrlimit(RLIMIT_FSIZE, (RLIM_INFINITY, RLIM_INFINITY))  # of a test that failed, too
        return
    disk = tmp_path / "run"
    disk.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=350k", "tmpfs", disk], capture_output=True
    ).returncode:
        pytest.skip("mounting a small disk needs more rights")
    yield lambda: subprocess.run(["mount", "-o", "remount,size=100m", disk], check=True)
    subprocess.run(["umount", disk], check=True)


@pytest.mark.slow
def test_a_full_disk_is_one_clear_line_and_keeps_the_last_good_checkpoint(uninterrupted, full, tmp_path):
    with pytest.raises(UserError, match=r"last.ckpt could not be written .*resume=true"):
        train_in(tmp_path / "run", LONG)
    checkpoints = tmp_path / "run" / "checkpoints"
    assert [path.name for path in checkpoints.iterdir()] == ["last.ckpt"]
    assert torch.load(checkpoints / "last.ckpt", weights_only=True)["global_step"] == 0
    full()
    train_in(tmp_path / "run", LONG, "resume=true")
    assert differences(uninterrupted, left_behind(tmp_path / "run")) == []
