"""Ctrl-C in any command: one line, exit code 130, no traceback, no empty folder."""

import pytest
from lightning.pytorch import Callback

from diffusion_lightning.commands import prefetch, sweep_tables, task
from diffusion_lightning.commands.interrupts import interruptible
from tests.support.command import SMALL
from tests.support.in_process import run_here
from tests.support.runs import train_in

COMMANDS = [
    ["train.py", *SMALL, "hydra.run.dir=run"],
    ["sample.py", "checkpoint=run", "out=drawn"],
    ["evaluate.py", "checkpoint=run", "out=measured"],
    ["diffusion_lightning/commands/train_extractor.py", "dataset=digits", "out=extractor.safetensors"],
    ["train.py", "-m", *SMALL, "seed=0,1", "hydra.sweep.dir=sweep"],
]


def interrupt(*_, **__):
    raise KeyboardInterrupt


@pytest.mark.parametrize("command", COMMANDS, ids=lambda words: " ".join(words[:2]))
def test_a_command_ends_with_one_line(command, tmp_path, monkeypatch):
    monkeypatch.setattr(task, "check_config", interrupt)
    done = run_here(*command, cwd=tmp_path)
    assert done.returncode == 130
    assert done.stderr == "interrupted\n"
    assert not [path for path in tmp_path.rglob("*") if path.is_dir() and not any(path.iterdir())]


def test_so_do_those_without_a_config(monkeypatch, capsys):
    monkeypatch.setattr(prefetch, "fetch", interrupt)
    with pytest.raises(SystemExit) as end:
        prefetch.main()
    assert end.value.code == 130 and capsys.readouterr().err == "interrupted\n"
    assert "interruptible" in vars(sweep_tables)


def test_the_second_ctrl_c_ends_a_training_as_the_first_ends_others(tmp_path):
    """Lightning would end the program with the code of a failure."""

    class Interrupt(Callback):
        def on_train_batch_end(self, *_):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_in(tmp_path / "run", callbacks=[Interrupt()])


@pytest.mark.parametrize("rank", [0, 1])
def test_of_several_processes_one_speaks(rank, monkeypatch, capsys):
    monkeypatch.setenv("RANK", str(rank))
    with pytest.raises(SystemExit), interruptible():
        raise KeyboardInterrupt
    assert capsys.readouterr().err == ("interrupted\n" if rank == 0 else "")
