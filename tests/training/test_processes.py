"""Two processes train like one, and stop like one."""

import os
import signal
import time

import pytest
import torch
from lightning.pytorch import Callback

from diffusion_lightning.errors import UserError
from tests.support.accelerator import FloatsRead
from tests.support.command import run
from tests.support.runs import (
    Died,
    WaitsOfBatches,
    Watch,
    differences,
    history,
    left_behind,
    srun,
    start_world,
    train_in,
)

# bfloat16 rounds each process's gradient
ONE = ["guidance=cfg", "dataset.batch_size=16", "speed.precision=32-true"]
ONE += ["network.channel_mults=[1,2]", "network.attention_resolutions=[4]"]  # two stages to shard
TWO = [*ONE, "dataset.batch_size=8", "trainer=ddp", "trainer.accelerator=cpu", "trainer.devices=2"]


class KeepGradients(Callback):
    """Saves the gradients of every step of this process."""

    def __init__(self, folder):
        self.folder = folder

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        gradients = {name: p.grad for name, p in pl_module.named_parameters()}
        torch.save(gradients, self.folder / f"{trainer.global_step}-{trainer.global_rank}.pt")


def train_and_keep_gradients(folder, *options):
    folder.mkdir(exist_ok=True)
    train_in(folder / "run", *options, "trainer.max_epochs=2", callbacks=[KeepGradients(folder)])


def all_end(processes, seconds=60):
    end = time.monotonic() + seconds
    for process in processes:
        process.join(end - time.monotonic())
    assert all(process.exitcode is not None for process in processes)
    return [process.exitcode for process in processes]


def train_and_keep_waits(folder, *options):
    waits = WaitsOfBatches(FloatsRead())
    with waits.mode:
        train_in(folder / "run", *options, callbacks=[waits])
    torch.save(waits.of_batches(), folder / f"{os.environ['RANK']}.pt")


def test_no_process_waits_for_its_device_between_two_logs(tmp_path):
    options = ["trainer.max_epochs=1", "trainer.limit_train_batches=12", "trainer.log_every_n_steps=6"]
    options += ["callbacks.last.every_n_steps=null", "callbacks.finite.every_n_steps=50"]
    assert all_end(start_world(2, train_and_keep_waits, tmp_path, *TWO, *options)) == [0, 0]
    for rank in range(2):
        batches = torch.load(tmp_path / f"{rank}.pt")
        assert [seen for seen in batches[:-1] if seen] == [batches[5]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    processes = start_world(2, train_and_keep_gradients, folder / "two", *TWO)
    train_and_keep_gradients(folder / "one", *ONE)
    assert all_end(processes) == [0, 0]
    return folder


def test_gradients_are_those_of_one_process_with_the_whole_batch(runs):
    for step in range(12):
        one, *two = (
            torch.load(runs / f"{part}.pt") for part in (f"one/{step}-0", f"two/{step}-0", f"two/{step}-1")
        )
        for name, gradient in one.items():
            assert two[0][name].equal(two[1][name])
            torch.testing.assert_close(two[0][name], gradient, rtol=1e-3, atol=1e-6)


def test_logs_count_images(runs):
    one, two = (history(runs / name / "run") for name in ("one", "two"))
    assert len(one) == len(two) > 0
    for a, b in zip(one, two, strict=True):
        for name in ("step", "images_seen", "lr-Adam"):
            assert a[name] == b[name]
        for name in a.keys() & b.keys() - {"train/loss"}:
            assert (a[name] == "") == (b[name] == "")
            if a[name]:
                assert float(b[name]) == pytest.approx(float(a[name]), rel=1e-4)


def test_one_folder_holds_the_run(runs):
    files = [sorted(p.name for p in (runs / name / "run").rglob("*")) for name in ("one", "two")]
    assert files[0] == files[1]


def test_processes_of_a_slurm_job_find_each_other(runs, tmp_path):
    processes = start_world(2, train_in, tmp_path / "run", *TWO, "trainer.max_epochs=2", told=srun)
    assert all_end(processes) == [0, 0]
    assert differences(left_behind(runs / "two" / "run"), left_behind(tmp_path / "run")) == []


def die_at(folder, n, *options):
    def die():
        raise Died

    with pytest.raises(Died):
        train_in(folder, *TWO, *options, callbacks=[Watch(n, die)])


def test_a_killed_pair_resumes_as_if_it_had_not_been_killed(runs, tmp_path):
    assert all_end(start_world(2, die_at, tmp_path / "run", 30)) == [0, 0]
    assert all_end(
        start_world(2, train_in, tmp_path / "run", *TWO, "resume=true", "trainer.max_epochs=2")
    ) == [0, 0]
    assert differences(left_behind(runs / "two" / "run"), left_behind(tmp_path / "run")) == []


@pytest.mark.slow
def test_a_run_may_resume_with_other_processes(runs, tmp_path):
    """To the weights of the runs of one process and of two, but for their rounding."""
    assert all_end(start_world(2, die_at, tmp_path / "run", 30)) == [0, 0]
    train_in(tmp_path / "run", *ONE, "resume=true", "trainer.max_epochs=2")
    folders = runs / "one" / "run", tmp_path / "run"
    one, resumed = (torch.load(f / "checkpoints" / "last.ckpt", weights_only=True) for f in folders)
    assert one["images_seen"] == resumed["images_seen"] == 12 * 16
    for name, weight in one["current_model_state"].items():
        torch.testing.assert_close(resumed["current_model_state"][name], weight, rtol=0.01, atol=1e-4)


def stop_at(folder, n, rank):
    def stop():
        if int(os.environ["RANK"]) == rank:
            os.kill(os.getpid(), signal.SIGTERM)

    train_in(folder, *TWO, callbacks=[Watch(n, stop)])


@pytest.mark.parametrize("rank", [pytest.param(0, marks=pytest.mark.slow), 1])
def test_a_signal_to_one_process_stops_all_with_a_checkpoint(rank, tmp_path):
    assert all_end(start_world(2, stop_at, tmp_path / "run", 10, rank)) == [128 + signal.SIGTERM, 0]
    assert torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)["global_step"] == 6


def test_a_sweep_starts_no_processes_that_would_sweep_again(tmp_path):
    with pytest.raises(UserError, match=r"trainer.devices=1"):
        train_in(tmp_path, *TWO, mode="MULTIRUN")


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_a_failing_process_ends_all_with_the_cause_shown(rank, tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", os.getcwd())
    fail = [
        "+callbacks.fail._target_=tests.support.killers.FailOnRank",
        f"+callbacks.fail.rank={rank}",
        "+callbacks.fail.step=3",
    ]
    done = run("train.py", *TWO, *fail, "network.width=8", "hydra.run.dir=run", cwd=tmp_path, timeout=60)
    assert done.returncode != 0 and "this process has a bad day" in done.stdout + done.stderr


FSDP = [*TWO, "trainer=fsdp"]


def train_shards(folder, *options):
    def whole(trainer, pl_module):
        return [p.numel() == p.to_local().numel() for p in pl_module.parameters()]

    class Shards(Callback):
        def on_train_start(self, trainer, pl_module):
            assert sum(whole(trainer, pl_module)) < len(whole(trainer, pl_module)) / 4

    train_in(folder, *FSDP, "trainer.max_epochs=2", *options, callbacks=[Shards()])


@pytest.mark.slow
def test_shards_learn_what_whole_weights_do(runs, tmp_path):
    assert all_end(start_world(2, train_shards, tmp_path / "whole")) == [0, 0]
    checkpoints = [
        torch.load(f / "checkpoints" / "last.ckpt", weights_only=True)
        for f in (runs / "two" / "run", tmp_path / "whole")
    ]
    for part in ("state_dict", "current_model_state"):
        for name, weight in checkpoints[0][part].items():
            torch.testing.assert_close(checkpoints[1][part][name], weight, rtol=0.01, atol=1e-4)


@pytest.mark.slow
def test_killed_shards_resume_as_if_they_had_not_been_killed(tmp_path):
    assert all_end(start_world(2, train_shards, tmp_path / "whole")) == [0, 0]
    assert all_end(start_world(2, die_at, tmp_path / "run", 30, "trainer=fsdp")) == [0, 0]
    assert all_end(start_world(2, train_shards, tmp_path / "run", "resume=true")) == [0, 0]
    assert differences(left_behind(tmp_path / "whole"), left_behind(tmp_path / "run")) == []
