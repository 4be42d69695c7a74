"""Values as a person types them arrive as they are meant."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from diffusion_lightning.commands.arguments import readable
from diffusion_lightning.config.paths import at_home
from tests.support.configs import composed

NAMES = [
    "a=1",
    "a,b",
    "a=1,b=2",
    "my photos (1)",
    "[x]",
    "{y}",
    "größe 漢字",
    "it's",
    'so "called"',
    "100 %",
    "a#b",
]
NAMES += ["läufe/schedule=linear,seed=1/checkpoints"]


def read(argument):
    override = OverridesParser.create().parse_override(readable(argument))
    if override.is_sweep_override():
        return [part for part in override.sweep_iterator()]
    value = override.value()
    return value


@pytest.mark.parametrize("name", NAMES)
def test_a_path_that_exists_is_that_path(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir(parents=True)
    for path in (name, tmp_path / name, f"./{name}", f"{name}/"):
        assert read(f"checkpoint={path}") == str(path)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("a,b", "[x]", "{y}")])
def test_a_path_that_does_not_exist_yet_too(name):
    assert read(f"hydra.run.dir=new/{name}") == f"new/{name}"


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("seed=3", 3),
        ("labels=[3,1]", [3, 1]),
        ("out=", ""),
        ("data_dir='a, b'", "a, b"),
        ("hydra.run.dir=x/${now:%Y}", "x/${now:%Y}"),
        ("task.images=[größe 1.png,b.png]", ["größe 1.png", "b.png"]),
        ("task.images=[a (1).png,b=2.png]", ["a (1).png", "b=2.png"]),
    ],
)
def test_what_the_grammar_reads_is_left_to_it(argument, value):
    assert read(argument) == value


def test_a_sweep_stays_a_sweep(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [str(part) for part in read("seed=1,2")] == ["1", "2"]
    assert len(read("data_dir=größe,straße")) == 2
    for name in ("a=1", "b=2"):
        (tmp_path / name).mkdir()
    assert len(read("checkpoint=a=1,b=2")) == 2


def test_what_it_has_made_is_made_of_itself():
    for name in NAMES:
        assert readable(readable(f"out={name}")) == readable(f"out={name}")


HYDRAS = ["hydra.run.dir", "hydra.sweep.dir", "--config-dir"]


@pytest.mark.parametrize("home", ["/home/me", "/home/Jörg Ö (1)"])
@pytest.mark.parametrize("option", HYDRAS)
def test_hydras_own_folders_may_be_at_home(option, home, monkeypatch):
    monkeypatch.setenv("HOME", home)
    argument = readable(f"{option}=~/a b")
    assert (
        argument == f"{option}={home}/a b" if option[0] == "-" else read(f"{option}=~/a b") == f"{home}/a b"
    )


@pytest.mark.parametrize("command", ["train", "sample", "evaluate", "export", "push", "train_extractor"])
def test_every_text_of_a_config_may_be_at_home(command, monkeypatch):
    monkeypatch.setenv("HOME", "/home/Jörg Ö (1)")
    data = ["dataset=image_folder"] * (command in ("train", "evaluate"))
    cfg = composed(command, *data, "hydra.run.dir=x", with_hydra=False)
    OmegaConf.set_struct(cfg, False)
    texts = [key for key, value in leaves(OmegaConf.to_container(cfg)) if isinstance(value, str | None)]
    assert {"out", "data_dir", "checkpoint"} & set(texts)
    for key in texts:
        OmegaConf.update(cfg, key, "~/a b" if "_target_" not in key else "~")
    OmegaConf.update(cfg, "task.images", ["~/1.png", 2, "~"], force_add=True)
    now = at_home(cfg)
    assert {OmegaConf.select(now, key) for key in texts} <= {"/home/Jörg Ö (1)/a b", "/home/Jörg Ö (1)"}
    assert now.task.images == ["/home/Jörg Ö (1)/1.png", 2, "/home/Jörg Ö (1)"]
    assert at_home(now) is now


def leaves(node, where=""):
    for key, value in node.items():
        if isinstance(value, dict):
            yield from leaves(value, f"{where}{key}.")
        else:
            yield f"{where}{key}", value
