"""The commands of the pages run as they are typed, in small, and their Python as it is written."""

import re
import shlex

import pytest
import torch

import diffusion_lightning as dl
from tests.docs.test_pages import PAGES
from tests.support.command import SMALL
from tests.support.in_process import succeed_here
from tests.support.pages import read

PATHS = ("README.md", "docs/diffusion.md", "docs/samplers.md", "docs/sampling.md", "docs/training.md")
PATHS += ("docs/evaluation.md", "docs/zoo.md")
TINY = {
    "train.py": [*SMALL, "dataset.limit=16", "trainer.limit_val_batches=1", "callbacks.sample_grid=null"],
    "sample.py": ["sampler.steps=3"],
    "evaluate.py": ["num_images=8", "sampler.steps=2", "metrics=[colours]"],
}
"""What makes a command a matter of seconds; Hydra takes the last of two values."""
ON_DIGITS = {"dataset=mnist": "dataset=digits", "dataset=cifar10": "dataset=digits"}
"""The same command on the data that are always there."""
ELSEWHERE = ("search=", "study=", "image_folder", "experiment=", "samples=", "callbacks=fid")
"""Commands with these are tried by tests of their own, tests/commands/ and tests/training/."""


def commands(page):
    """The commands of a page's blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", read(page), re.S)
    lines = [shlex.split(line, comments=True) for block in blocks for line in block.splitlines()]
    lines = [words for words in lines if words[:1] == ["python"] and words[1] in TINY]
    return [words[1:] for words in lines if not any(name in word for word in words for name in ELSEWHERE)]


COMMANDS = [(page, command) for page in PATHS for command in commands(page)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a small guided run at the path that the pages name."""
    folder = tmp_path_factory.mktemp("commands")
    options = ["guidance=cfg", "hydra.run.dir=outputs/mnist", "callbacks.sample_grid.num_images=4"]
    succeed_here("train.py", *SMALL, *options, cwd=folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "command"), COMMANDS, ids=[" ".join([page, *command]) for page, command in COMMANDS]
)
def test_a_command_of_a_page_runs(page, command, folder, tmp_path):
    script, *options = command
    options = [ON_DIGITS.get(option, option) for option in options]
    times_are_given = "sampler/grid=times" in options
    tiny = [option for option in TINY[script] if not (times_are_given and option.startswith("sampler.steps"))]
    if script == "train.py" and "-m" not in options:
        tiny.append(f"hydra.run.dir={tmp_path}")
    elif script == "sample.py" and "-m" not in options:
        tiny.append(f"out={tmp_path}")
    succeed_here(script, *options, *tiny, cwd=folder)


def test_there_are_commands_of_every_script():
    scripts = [script for _, (script, *_) in COMMANDS]
    assert all(scripts.count(script) >= 3 for script in TINY)


ELSEWHERE_PYTHON = {
    "README.md": "test_readme",
    "docs/extending.md": "test_recipes",
    "docs/interchange.md": "test_onnx",
}
"""Pages whose Python other tests run."""


@pytest.mark.parametrize(
    "page", [page for page in PAGES if "```python" in read(page) and page not in ELSEWHERE_PYTHON]
)
def test_the_python_of_a_page_runs(page, folder, monkeypatch):
    """From top to bottom, in one namespace."""
    monkeypatch.chdir(folder)
    names = {"dl": dl, "torch": torch}
    for block in re.findall(r"```python\n(.*?)```", read(page), re.S):
        exec(block, names)
