"""`make demo`, as the README promises it: a grid of the zoo first, then a model that is trained here."""

import re

from tests.support.command import SMALL
from tests.support.in_process import succeed_here
from tests.support.pages import read

COMMANDS = re.findall(r"^\t\$\(BIN\)/python (\w+\.py) (.*)$", read("Makefile").partition("demo:")[2], re.M)[
    :3
]
QUICK = {"train.py": SMALL, "sample.py": ["sampler.steps=2"]}


def test_the_demo_draws_before_it_trains_and_after(tmp_path):
    assert [script for script, _ in COMMANDS] == ["sample.py", "train.py", "sample.py"]
    assert "checkpoint=zoo:digits" in COMMANDS[0][1]
    for script, options in COMMANDS:
        given = options.replace("$(STAMP)", "now").split()
        succeed_here(script, *given, *QUICK[script], cwd=tmp_path)
    grids = {
        path.relative_to(tmp_path / "outputs/demo/now").as_posix() for path in tmp_path.rglob("grid.png")
    }
    assert grids == {"zoo/grid.png", "grid/grid.png"}
