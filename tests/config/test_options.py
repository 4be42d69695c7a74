"""The table of options that change no result, and what reads it."""

import json

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from diffusion_lightning.commands.arguments import swept_options
from diffusion_lightning.commands.resolvers import job_folder, register
from diffusion_lightning.commands.swept import all_swept
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
    options += {"evaluate": ["dataset=cifar10", "logger=wandb"]}.get(command, [])
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


def swept_values(command):
    """Every option and every group of a command."""
    more = {"train": ["callbacks=fid", "logger=wandb"], "evaluate": ["dataset=cifar10", "logger=wandb"]}
    config = composed(command, "hydra.run.dir=x", *more.get(command, []))
    unresolved = OmegaConf.to_container(config)
    del unresolved["hydra"]
    keys = {name for key, _ in flat(unresolved) for name in parents(key)}
    return sorted({*keys, *config.hydra.runtime.choices, "hydra.verbose", "hydra.job.name"})


VALUES = "a/b", "a.b", "a b", "ab", "'a/b'", ".a", "a", "/", ".", "..", "a:b", "x" * 200, "x" * 201, "ä/b"
"""Values that differ, some of which would be the same as parts of a folder's name."""


@pytest.mark.parametrize("command", FREE)
def test_no_two_jobs_of_a_sweep_over_any_option_share_a_folder(command):
    for option in swept_values(command):
        register({option})
        assert option not in unnamed(command, all_swept(OmegaConf.create({})))
        names = {folder_of(option, value) for value in VALUES}
        assert len(names) == len(VALUES), option
        assert all(not set(name) & set('/<>:"|?*\\') and len(name.encode()) <= 255 for name in names)
    register()


def folder_of(option, value):
    """That of a job with this value and a seed; Hydra keeps overrides of its own part apart."""
    job, of_hydra = f"{option}={value}", option.startswith("hydra.")
    config = OmegaConf.create({"hydra": {"overrides": {"hydra": [job] if of_hydra else []}}})
    return job_folder("seed=3" if of_hydra else f"{job},seed=3", _root_=config)


def test_folders_keep_the_names_that_they_had():
    for overrides, name in {
        "schedule=linear,seed=3": "schedule=linear,seed=3",
        "labels=[1,2],sampler/grid=karras": "labels=[1,2],sampler.grid=karras",
        "": "defaults",
        "x=" + "y" * 200: "x=" + "y" * 138 + "-fe549362",
    }.items():
        assert job_folder(overrides, _root_=OmegaConf.create({})) == name


def test_what_is_swept_over_counts():
    config = plain("train")
    free = dict(flat(decisive("train", config)))
    for option, key in (
        ("sampler", "sampler.eta"),
        ("sampler/grid", "sampler.grid._target_"),
        ("data_dir", "data_dir"),
    ):
        kept = dict(flat(decisive("train", config, {option})))
        assert key in kept and key not in free and kept.items() >= free.items()
    assert "sampler.eta" not in dict(flat(decisive("train", config, {"sampler.steps"})))


def test_paths_within_the_run_are_the_same_wherever_it_is():
    def kept(folder):
        config = {
            "paths": {"run_dir": folder},
            "mine": {"a": f"{folder}/x", "b": [folder], "c": f"{folder}x"},
        }
        return decisive("train", config)["mine"]

    assert kept("/a/b") == {"a": "./x", "b": ["."], "c": "/a/bx"} and kept("/c")["a"] == "./x"


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
