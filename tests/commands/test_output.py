"""Output whose reader has gone away."""

import logging
import os
import subprocess
import sys
from importlib import import_module

import pytest

from diffusion_lightning.commands.output import readers_may_go_away
from tests.support.command import ROOT


@pytest.fixture
def unread(monkeypatch):
    """Standard output and error are a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as out, os.fdopen(os.dup(writer), "w", buffering=1) as err:
        monkeypatch.setattr(sys, "stdout", out)
        monkeypatch.setattr(sys, "stderr", err)
        yield


def test_the_work_goes_on(unread):
    handler = logging.StreamHandler
    log = logging.getLogger("of a test")
    with readers_may_go_away():
        log.addHandler(handler(sys.stdout))
        for _ in range(3):
            log.warning("nobody reads this")
            print("nor this" * 10_000, file=sys.stderr, flush=True)
            print("nor this" * 10_000)


@pytest.mark.parametrize(
    ("command", "options"),
    [
        *(
            (name, ["--help"])
            for name in (
                "train",
                "sample",
                "evaluate",
                "export",
                "import_weights",
                "push",
                "train_extractor",
                "prefetch",
            )
        ),
        ("sweep_tables", ["--help"]),
        *(("train", options) for options in (["--cfg", "job"], ["--info", "defaults"], ["--hydra-help"])),
    ],
    ids=str,
)
def test_no_command_minds(command, options, unread, monkeypatch):
    monkeypatch.setattr(sys, "argv", [command, *options])
    try:
        import_module(f"diffusion_lightning.commands.{command}").main()
    except SystemExit as end:
        assert not end.code


def test_a_process_of_its_own_says_nothing_of_it():
    command = f"{sys.executable} {ROOT / 'train.py'} --help | head -3; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr, len(done.stdout.splitlines())) == (0, "", 3)
