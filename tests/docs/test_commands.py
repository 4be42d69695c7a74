"""The commands of the pages run as they are typed, in small, and their Python as it is written."""

import re
import shlex
import shutil

import numpy as np
import pytest
import torch
from PIL import Image

import diffusion_lightning as dl
from tests.docs.test_pages import PAGES
from tests.support.in_process import succeed_here
from tests.support.pages import read

NOT_HERE = {
    "google/ddpm-cifar10-32": "of the hub; tests/exchange/test_diffusers_import.py",
    "checkpoint=ddpm.ckpt": "of those weights",
    "ckpt.pt": "tests/exchange/test_state_dicts.py",
    "ema_0.9999_500000.pt": "tests/exchange/test_state_dicts.py",
    "hf:": "tests/checkpoints/test_hub.py",
    "OWNER/NAME": "tests/commands/test_push.py",
    "submitit_slurm": "needs SLURM; composed by tests/commands/test_sweeps.py",
    "trainer=ddp": "tests/training/test_processes.py",
    "hydra/launcher=joblib": "tests/commands/test_sweeps.py",
    "benchmarks": "make bench",
    "speed.compile=true": "minutes of compiling; tests/test_speed.py",
    "diffusion_lightning.playground": "make test-browser",
    "train_extractor": "tests/commands/test_train_extractor.py",
    "task=inpaint": "a picture of the gallery; tests/docs/test_site.py",
    "task=filmstrip": "as above",
}
"""Part of a command → why it does not run here, or where it does."""

STANDS_FOR = {
    "experiment=mnist_cfg": "experiment=digits_cfg",
    "experiment=cifar10_unconditional": "experiment=digits_cfg",
    "dataset=mnist": "dataset=digits",
    "dataset=cifar10": "dataset=digits",
    "extractor=mnist": "extractor=digits",
    "outputs/mnist/run": "outputs/mnist",
    "outputs/mnist/<time>": "outputs/mnist",
    "outputs/mnist/<another>": "outputs/other",
    "multirun/<time>": "outputs",
    "<file.npz>": "samples.npz",
    "checkpoint=RUN": "checkpoint=outputs/mnist",
    "checkpoint=<…>": "checkpoint=outputs/mnist",
}
"""What a page says → the same on data that are always there, and on what `folder` holds."""

UNET = ["network.width=8", "network.channel_mults=[1]", "network.attention_resolutions=[8]"]
TRAIN = [
    *("trainer.max_epochs=1", "trainer.limit_train_batches=3", "trainer.limit_val_batches=1"),
    *("dataset.limit=16", "callbacks.sample_grid.num_images=4", "sampler.steps=2"),
]
EVALUATE = ["num_images=8", "sampler.steps=2", "metrics=[colours]"]
TINY = {
    "search=": [*UNET, *TRAIN, "hydra.sweeper.n_trials=2"],
    "hydra/sweeper=optuna": [*UNET, *TRAIN, "hydra.sweeper.n_trials=2"],
    "plane": [*TRAIN, "network.width=8"],
    "samples=": ["metrics=[colours]"],
    "study=": [*EVALUATE, "sampler=ddim,heun"],
    "train.py": [*UNET, *TRAIN],
    "sampler/grid=times": [],
    "sample.py": ["sampler.steps=3"],
    "evaluate.py": EVALUATE,
    "format=onnx": [],
    "diffusion_lightning": [],
}
"""Part of a command → what makes it a matter of seconds; the first that fits.

Hydra takes the last of two values.
"""
FID = ["callbacks.fid.num_images=8", "callbacks.fid.sampler.steps=2", "callbacks.fid.kid_subset_size=4"]


def commands(page):
    """The commands of a page's blocks: Python's script or module, and its options."""
    blocks = "".join(re.findall(r"```sh\n(.*?)```", read(page), re.S)).replace("\\\n", " ")
    lines = [shlex.split(line, comments=True) for line in blocks.splitlines()]
    lines = [words[1:] for words in lines if words[:1] == ["python"] and words[1] != "-c"]
    return [words for words in lines if not any(part in word for word in words for part in NOT_HERE)]


def script_of(words):
    """The file that Python runs, and its options."""
    return (f"{words[1].replace('.', '/')}.py", words[2:]) if words[0] == "-m" else (words[0], words[1:])


def small(words):
    """The options that make a command a matter of seconds."""
    tiny = next(options for part, options in TINY.items() if any(part in word for word in words))
    return [*tiny, *(FID if "callbacks=fid" in words else [])]


PATHS = [page for page in PAGES if page.startswith("docs/") or page == "README.md"]
COMMANDS = [(page, words) for page in PATHS for words in commands(page)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with what the commands name: a small guided run and another one, samples, pictures."""
    folder = tmp_path_factory.mktemp("commands")
    succeed_here("train.py", *UNET, *TRAIN, "guidance=cfg", "hydra.run.dir=outputs/mnist", cwd=folder)
    shutil.copytree(folder / "outputs" / "mnist", folder / "outputs" / "other")
    np.savez(folder / "samples.npz", arr_0=np.zeros((8, 8, 8, 1), np.uint8))
    Image.radial_gradient("L").save(folder / "cat.png")
    (folder / "photos").mkdir()
    for i in range(20):
        Image.new("RGB", (70, 64), (12 * i, 0, 0)).save(folder / "photos" / f"{i}.png")
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    ("page", "words"), COMMANDS, ids=[" ".join([page, *words]) for page, words in COMMANDS]
)
def test_a_command_of_a_page_runs(page, words, folder, tmp_path):
    for said, here in STANDS_FOR.items():
        words = [word.replace(said, here) for word in words]
    script, options = script_of(words)
    tiny = small(words)
    if script == "train.py" and "resume=true" not in options:
        where = "hydra.sweep.dir" if {"-m", "search=digits"} & {*options} else "hydra.run.dir"
        tiny = [*tiny, f"{where}={tmp_path / 'run'}"]
    elif script in ("sample.py", "diffusion_lightning/export.py") and "-m" not in options:
        tiny = [*tiny, f"out={tmp_path / 'out'}"]
    elif script == "diffusion_lightning/report.py":
        tiny = [*tiny, f"out={tmp_path / 'report.html'}"]
    succeed_here(script, *options, *tiny, cwd=folder)


def test_there_are_commands_of_every_script():
    scripts = [script_of(words)[0] for _, words in COMMANDS]
    assert all(scripts.count(script) >= 3 for script in ("train.py", "sample.py", "evaluate.py"))


def test_what_does_not_run_here_is_in_the_pages():
    pages = "".join(map(read, PATHS))
    assert [part for part in NOT_HERE if part not in pages] == []
    assert [said for said in STANDS_FOR if said not in pages] == []


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
