"""The table of options that change no result, and what reads it."""

import json

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from diffusion_lightning.commands.resolvers import register
from diffusion_lightning.commands.task import swept_options
from diffusion_lightning.config.options import FREE, decisive, flat, unnamed
from tests.support.configs import CONF, composed


def plain(name, *overrides):
    config = OmegaConf.to_container(composed(name, *overrides))
    return {key: value for key, value in config.items() if key != "hydra"}


def parents(key):
    """The key, and the keys of all nodes above it."""
    words = key.split(".")
    return {".".join(words[:n]) for n in range(1, len(words) + 1)}


@pytest.mark.parametrize("command", FREE)
def test_every_option_of_the_table_exists(command):
    options = ["hydra.run.dir=x"]
    options += {"train": ["dataset=image_folder", "callbacks=fid", "logger=wandb"]}.get(command, [])
    options += {
        "train": [
            "+guidance.interval=null",
            "+guidance.rescale=null",
            "+guidance.profile=null",
            "+guidance.away=null",
        ]
    }.get(command, [])
    options += {"evaluate": ["dataset=digits", "logger=wandb"]}.get(command, [])
    known = set(composed(command, *options).hydra.runtime.choices)
    known |= {name for key, _ in flat(plain(command, *options)) for name in parents(key)}
    assert known >= {*FREE[command].unnamed, *FREE[command].named}


def test_an_option_that_nobody_listed_counts():
    config = plain("train", "+mine=3", "+callbacks.mine.x=1", "trainer.gradient_clip_val=7")
    counts = dict(flat(decisive("train", config)))
    expected = {"mine": 3, "callbacks.mine.x": 1, "trainer.gradient_clip_val": 7}
    assert {key: counts[key] for key in expected} == expected
    assert "callbacks.ema.decay" in counts and "network.width" in counts and "optimizer.lr" in counts
    free = {"trainer.max_epochs", "dataset.data_dir", "data_dir", "guidance.scale", "sampler.steps"}
    assert not free & counts.keys() and "guidance.p_uncond" in counts
    assert "mine" in decisive("evaluate", plain("evaluate", "+mine=3"))


def test_the_speed_of_an_evaluation_counts_and_the_recipe_of_training_does_not():
    kept = decisive("evaluate", plain("evaluate", "dataset=mnist", "extractor=mnist"))
    assert {"speed", "dataset", "extractor", "metrics", "sampler", "weights"} <= kept.keys()
    assert not {"trainer", "optimizer", "callbacks", "device", "batch_size", "checkpoint"} & kept.keys()


SWEEPS = [(command, option) for command in FREE for option in FREE[command].unnamed if option != "study"]


@pytest.mark.parametrize(("command", "option"), SWEEPS)
def test_a_folder_is_named_by_whatever_the_sweep_is_over(command, option):
    """And by nothing that changes no result otherwise."""
    value = {"logger": "wandb", "logger.wandb.offline": "true"}.get(option, "3")
    job = [f"{option}={value}", "seed=4"]
    if option == "logger.wandb.offline":
        job.append("logger=wandb")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        register()
        fixed = compose(command, job, return_hydra_config=True).hydra.job.override_dirname
        register({option})
        swept = compose(command, job, return_hydra_config=True).hydra.job.override_dirname
    register()
    assert f"{option}={value}" not in fixed.split(",") and f"{option}={value}" in swept.split(",")
    assert "seed=4" in fixed.split(",")


def test_a_study_of_a_free_option_names_its_folders_by_it():
    options = ["study=samplers", "+hydra.sweeper.params.samples='3,4'", "samples=3"]
    assert composed("evaluate", *options).hydra.job.override_dirname == "samples=3"
    assert composed("evaluate", "samples=3").hydra.job.override_dirname == ""


def test_sweeps_are_found_in_the_command_line():
    arguments = ["-m", "data_dir=a,b", "+optimizer.lr=tag(log, interval(1, 2))", "seed=range(3)"]
    arguments += ["schedule=linear", "~logger", "labels=[1,2]"]
    assert swept_options(arguments) == {"data_dir", "optimizer.lr", "seed"}
    assert swept_options(["-m", "data_dir=a,b", "no value"]) == set()


def test_what_is_swept_over_is_no_longer_left_out():
    assert "data_dir" in unnamed("train") and "data_dir" not in unnamed("train", {"data_dir"})
    assert json.dumps(unnamed("sample", {"seed"})) == json.dumps(unnamed("sample"))
