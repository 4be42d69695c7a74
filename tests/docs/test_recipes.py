"""The recipes of docs/extending.md, pasted as they are written."""

import importlib
import os
import shutil
import stat
import subprocess
import sys

import pytest
import torch
from omegaconf import OmegaConf

import diffusion_lightning as dl
from diffusion_lightning.config.instantiate import instantiate
from tests.support.command import ROOT, SMALL
from tests.support.in_process import run_here, succeed_here
from tests.support.oracles import MixtureOracle, normal, sampling_model
from tests.support.pages import recipe, words

PAGE = "docs/extending.md"
RECIPES = {
    "my_sampler": "A sampler",
    "my_schedule": "A schedule",
    "my_data": "A data set",
    "my_metric": "A metric",
}

TINY = {
    "train": [*SMALL, "callbacks.sample_grid=null", "trainer.limit_val_batches=1"],
    "sample": ["num_images=4", "sampler.steps=3"],
    "evaluate": ["num_images=8", "sampler.steps=2"],
}
"""What makes a command of the page a matter of seconds; Hydra takes the last of two values."""


@pytest.fixture
def pasted(tmp_path, monkeypatch):
    """Paste a recipe: its module, in a folder that the search path has."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def paste(name):
        recipe(PAGE, RECIPES[name]).paste(tmp_path)
        return importlib.import_module(name)

    yield paste
    for name in RECIPES:
        sys.modules.pop(name, None)


def options(tmp_path, file):
    return OmegaConf.load(tmp_path / "conf_of_mine" / file)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_is_one_python_file_and_one_yaml(name):
    files = recipe(PAGE, RECIPES[name]).files
    assert [file.rpartition(".")[2] for file in files] == ["py", "yaml"]


def test_the_sampler_is_ddim(tmp_path, pasted):
    pasted("my_sampler")
    cfg = OmegaConf.to_container(options(tmp_path, "sampler/euler.yaml"))
    assert cfg.pop("defaults") == [{"grid": "uniform"}]
    sampler = instantiate(cfg | {"grid": {"_target_": "diffusion_lightning.Uniform"}})
    model, x = sampling_model(MixtureOracle(dl.Linear())), normal(5, 2, 1, 1)
    torch.testing.assert_close(sampler(model, x), dl.DDIM(steps=cfg["steps"])(model, x), rtol=0, atol=1e-9)


def test_the_schedule_is_its_closed_form(tmp_path, pasted):
    pasted("my_schedule")
    schedule = instantiate(options(tmp_path, "schedule/rising.yaml"))
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    torch.testing.assert_close(schedule.alpha(t) ** 2, torch.exp(-10 * t**2), rtol=0, atol=1e-12)
    torch.testing.assert_close(schedule.alpha(t) ** 2 + schedule.sigma(t) ** 2, torch.ones_like(t))
    torch.testing.assert_close(schedule.t_of_lam(schedule.lam(t[1:])), t[1:], rtol=0, atol=1e-9)


def test_the_data_set_has_stripes_of_the_direction_that_its_labels_say(pasted):
    data = pasted("my_data").Stripes("data/", batch_size=64, image_channels=1, image_size=8, num_classes=2)
    data.setup()
    assert (len(data.train_images), len(data.test_images)) == (2000, 500)
    images, labels = data.train_images[torch.arange(2000)]
    along_rows, along_columns = (images.double().std(dim).amax((1, 2)) for dim in (3, 2))
    assert (along_rows[labels == 0] == 0).all() and (along_columns[labels == 0] > 60).all()
    assert (along_columns[labels == 1] == 0).all() and (along_rows[labels == 1] > 60).all()


def test_the_metric_of_a_ramp_is_its_slope(tmp_path, pasted):
    pasted("my_metric")
    metric = instantiate(options(tmp_path, "metrics/sharpness.yaml").sharpness)
    ramp = (3 * torch.arange(8, dtype=torch.uint8)).expand(5, 1, 4, 8)
    compared = dl.Comparison(None, ramp, None, None, None, None)  # it looks at the pixels only
    assert metric(compared) == {"sharpness": 3.0}


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory):
    """The folder `run` that the page's commands take for granted."""
    folder = tmp_path_factory.mktemp("recipes")
    succeed_here("train.py", *TINY["train"], "hydra.run.dir=run", cwd=folder)
    return folder / "run"


@pytest.mark.parametrize("name", RECIPES)
def test_the_commands_of_a_recipe_run(name, tmp_path, pasted, run_folder):
    pasted(name)
    shutil.copytree(run_folder, tmp_path / "run")
    for command in recipe(PAGE, RECIPES[name]).commands:
        program, arguments = words(command)
        succeed_here(f"{program}.py", *arguments, *TINY[program], cwd=tmp_path)


PROGRAM = """#!{python}
import sys
sys.path.insert(1, {root!r})
from diffusion_lightning.commands.{name} import main
sys.exit(main())
"""
"""What pip writes for an entry point, but for the package's place."""


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_works_outside_the_package_as_it_is_written(name, tmp_path, run_folder):
    recipe(PAGE, RECIPES[name]).paste(tmp_path)
    shutil.copytree(run_folder, tmp_path / "run")
    for program in TINY:
        file = tmp_path / "bin" / f"diffusion-{program}"
        file.parent.mkdir(exist_ok=True)
        file.write_text(PROGRAM.format(python=sys.executable, root=str(ROOT), name=program))
        file.chmod(file.stat().st_mode | stat.S_IXUSR)
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    environment["PATH"] = f"{tmp_path / 'bin'}:{environment['PATH']}"
    for command in recipe(PAGE, RECIPES[name]).commands:
        shell(" ".join([command, *TINY[words(command)[0]]]), tmp_path, environment)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_works_in_a_clone(name, tmp_path, run_folder):
    clone = tmp_path / "clone"
    clone.mkdir()
    for part in ("conf", "diffusion_lightning"):
        shutil.copytree(ROOT / part, clone / part, ignore=shutil.ignore_patterns("__pycache__"))
    for script in ("train.py", "sample.py", "evaluate.py"):
        shutil.copy(ROOT / script, clone)
    recipe(PAGE, RECIPES[name]).paste(clone, conf="conf")
    shutil.copytree(run_folder, clone / "run")
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    for command in recipe(PAGE, RECIPES[name]).commands:
        program, arguments = words(command)
        if arguments[0] == "--config-dir":
            arguments = arguments[2:]
        quoted = [f"'{argument}'" for argument in [*arguments, *TINY[program]]]
        shell(" ".join([sys.executable, f"{program}.py", *quoted]), clone, environment)


def shell(command, folder, environment):
    done = subprocess.run(
        command, shell=True, cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_schedule_that_is_not_trusted_is_refused_with_what_the_page_says(tmp_path, pasted):
    pasted("my_schedule")
    train, sample = (words(command) for command in recipe(PAGE, RECIPES["my_schedule"]).commands)
    succeed_here("train.py", *train[1], *TINY["train"], cwd=tmp_path)
    (trust,) = (argument for argument in sample[1] if argument.startswith("trust="))
    without = [argument for argument in sample[1] if argument != trust]
    refused = run_here("sample.py", *without, *TINY["sample"], cwd=tmp_path)
    assert refused.returncode != 0 and trust in refused.stderr.replace('"', "")
