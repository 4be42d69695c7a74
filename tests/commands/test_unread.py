"""What nothing reads is refused at every level, in all commands; what something reads is not."""

import copy
from functools import cache

import pytest
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf, open_dict, read_write

from diffusion_lightning.commands.unread import check_read
from diffusion_lightning.errors import UserError
from tests.support.configs import CONF, composed, names

GROUPS = sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name != "hydra")
COMMANDS = {
    "train": {"experiment", "search", "debug", "dataset", "network", "extractor", "schedule", "objective"}
    | {"parameterization", "guidance", "sampler", "clamp", "trainer", "speed", "callbacks", "logger"}
    | {"paths", "optimizer", "lr_schedule", "times"},
    "sample": {"task", "sampler", "clamp", "speed"},
    "evaluate": {"sampler", "clamp", "speed", "dataset", "extractor", "metrics", "logger", "study"},
    "train_extractor": {"dataset", "extractor", "optimizer", "recipe", "speed"},
    "export": {"format", "sampler", "clamp", "speed"},
    "push": {"sampler", "clamp", "speed"},
}
"""Command → the groups that it reads."""
DATA_SET = {"evaluate": ["dataset=digits"]}
"""What a command needs for the values of other groups to be resolved."""


def check(command, *options):
    check_composed(composed(command, *options), command)


def check_composed(cfg, command):
    HydraConfig.instance().set_config(cfg)
    with open_dict(cfg):
        del cfg["hydra"]
    check_read(cfg, command)


@cache
def base(command):
    return composed(command, *DATA_SET.get(command, []))


def check_typed(command, option):
    """As `check` with one more option, but without composing the config again."""
    cfg = copy.deepcopy(base(command))
    with read_write(cfg):
        cfg.hydra.overrides.task.append(option)
    key, _, value = option.lstrip("+").partition("=")
    if not (CONF / key).is_dir():
        OmegaConf.update(cfg, key, OmegaConf.from_dotlist([f"x={value}"]).x, force_add=True)
    check_composed(cfg, command)


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "option", ["+lr_scheduler=cosine", "+seeed=3", "+mine.seed=3", "+mine=[1]", "+x.y.z=1"]
)
def test_a_key_at_the_top_that_nothing_reads(command, option):
    key = option[1:].partition("=")[0].partition(".")[0]
    with pytest.raises(UserError, match=f"^{key} is not read by {command}; there are .*seed"):
        check_typed(command, option)


@pytest.mark.parametrize(
    ("command", "group"),
    [(command, group) for command in COMMANDS for group in GROUPS if group not in COMMANDS[command]],
)
def test_a_group_that_the_command_does_not_read(command, group):
    with pytest.raises(UserError, match=rf"^{group}=? is (not read by|no group of) {command}"):
        check_typed(command, f"+{group}={names(group)[0]}")


BELOW = [
    *(
        ("train", "paths.x"),
        ("sample", "guidance.x"),
        ("sample", "guidance.p_uncond"),
        ("evaluate", "paths.x"),
    ),
    *(("evaluate", "guidance.x"), ("evaluate", "trainer.x"), ("evaluate", "optimizer.lr")),
    ("evaluate", "callbacks.ema.decay"),
    *(("train_extractor", "trainer.max_epochs"), ("train_extractor", "callbacks.x")),
]


@pytest.mark.parametrize(("command", "key"), BELOW)
def test_a_key_below_a_group_without_a_class(command, key):
    with pytest.raises(
        UserError, match=f"^({key} is unknown|{key.partition('.')[0]} is not read by {command})"
    ):
        check_typed(command, f"++{key}=3")


@pytest.mark.parametrize(
    ("command", "option"),
    [
        ("train", "+trainer.logger=false"),
        ("train", "+trainer.callbacks=[]"),
        ("train", "+trainer.plugins=null"),
        ("train_extractor", "extractor.weights=mine.safetensors"),
    ],
)
def test_an_argument_that_the_command_gives_itself(command, option):
    with pytest.raises(UserError, match="would change nothing"):
        check(command, option)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_key_of_a_users_own_config_is_read_if_another_is_made_of_it(command, tmp_path):
    folder = tmp_path / "sampler" if command not in ("train", "train_extractor") else tmp_path / "dataset"
    folder.mkdir()
    (folder / "mine.yaml").write_text("# @package _global_\nthird: 3\n")
    search, group = f"hydra.searchpath=[{tmp_path}]", folder.name
    with pytest.raises(UserError, match=r"^third is unknown, nothing reads it"):
        check(command, search, f"{group}=mine")
    check(command, search, f"{group}=mine", "seed=${third}")
    check(command, "+third=3", "seed=${third}")


@pytest.mark.parametrize(
    ("command", "options"),
    [
        *(("sample", [f"task={name}"]) for name in names("task")),
        *(("evaluate", [f"dataset={name}", "logger=wandb"]) for name in names("dataset")),
        *(("evaluate", [f"study={name}", "metrics=[bits]"]) for name in names("study")),
        *(("train_extractor", [f"dataset={name}"]) for name in names("dataset")),
        ("train", ["search=digits", "debug=fast", "callbacks=fid", "sampler@callbacks.fid.sampler=heun"]),
        ("train", ["+tag=a", "hydra.run.dir=runs/${tag}", "hydra.job.name=x", "+hydra.job.env_set.A=b"]),
        ("sample", ["sampler=predictor_corrector", "sampler/predictor=ddim", "guidance.scale=3"]),
    ],
)
def test_what_is_read_passes(command, options):
    check(command, *options)


def test_the_groups_of_the_table_are_those_of_conf():
    assert set(GROUPS) == set().union(*COMMANDS.values())
    assert OmegaConf.load(CONF / "train_extractor.yaml").extractor is None
