"""The pages of the options say what conf/ and the constructors say."""

import pytest
from omegaconf import OmegaConf

from diffusion_lightning.config.options import flat
from docs.site import options
from docs.site.yaml_files import CONF, commands, groups, read
from tests.support.configs import composed

FILES = [(group, name) for group, names in groups().items() for name in names]
COMMAND_OF = {"task": "sample", "format": "export", "metrics": "evaluate", "recipe": "train_extractor"}
OWN = {"experiment", "search", "study", "debug", "recipe", "hydra"}
"""Groups whose files override others; their pages show the files themselves."""


def test_every_option_has_a_meaning_a_type_and_a_default():
    rows = list(options.every_option())
    assert len(rows) > 300
    assert [row.key for row in rows if not (row.meaning and row.kind and row.default)] == []


@pytest.mark.parametrize(
    ("group", "name", "row"),
    [
        ("sampler", "ddim", ("sampler.eta", "a finite number", "0.0", "η in [0, 1].")),
        (
            "sampler",
            "ddpm",
            ("sampler.steps", "an integer or null", "null", "number of evaluations; None is all T."),
        ),
        ("speed", "plain", ("speed.allocator", "true or false or null", "false", None)),
        ("guidance", "cfg", ("+guidance.rescale", "a finite number", "0.0", None)),
        ("optimizer", "sgd", ("optimizer.momentum", "a finite number", "0.9", "momentum factor.")),
        (
            "callbacks",
            "fid",
            ("sampler@callbacks.fid.sampler", "[sampler](sampler.md)", "dpm_solver_pp", None),
        ),
        ("metrics", "bits", ("metrics.bits.flow.probes", "an integer", "1", "draws of z.")),
    ],
)
def test_a_row_that_is_known(group, name, row):
    (found,) = [option for option in options.group_options(group, name) if option.key == row[0]]
    assert (found.kind, found.default) == row[1:3] and (row[3] or found.meaning) == found.meaning


@pytest.mark.parametrize(("group", "name"), FILES, ids=lambda name: name)
def test_every_value_of_a_file_is_on_its_page(group, name):
    """Read by OmegaConf; or the page shows the file."""
    file = read(f"{group}/{name}")
    shown = {row.key: row.default for row in options.group_options(group, name)}
    values = OmegaConf.to_container(OmegaConf.load(CONF / group / f"{name}.yaml"))
    values.pop("defaults", None)
    own = values.get(group, {}) if file.package == "_global_" else values
    prefix = "hydra" if file.package == "hydra" else group.replace("/", ".")
    for key, value in flat(own, prefix):
        parents = [".".join(key.split(".")[:n]) for n in range(1, key.count(".") + 1)]
        if key.rpartition(".")[2][:1] == "_" or any(parent in shown for parent in parents):
            continue
        assert in_yaml(shown[key]) == value, key
    if file.package == "_global_":
        page = options.pages()[f"options/{group}.md"]
        assert all(line in page for line in file.text.splitlines() if ": " in line and line[:1] not in "# ")


def in_yaml(text):
    return OmegaConf.to_container(OmegaConf.create(f"it: {text}"))["it"]


def test_the_index_names_every_group_and_option():
    index = options.pages()["options/index.md"]
    for group, name in FILES:
        (row,) = [line for line in index.splitlines() if line.startswith(f"| [`{group}`]")]
        assert f"`{name}`" in row


def test_every_key_of_a_command_is_on_the_page():
    page = options.pages()["options/commands.md"]
    for command in commands():
        keys = OmegaConf.load(CONF / f"{command}.yaml").keys() - {"defaults"} - groups().keys()
        assert f"## {command}\n" in page and all(
            f"| `{key}` |" in page or f"| `{key}." in page for key in keys
        )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("group", "name"), [f for f in FILES if f[0].partition("/")[0] not in OWN], ids=lambda name: name
)
def test_defaults_are_those_that_hydra_composes(group, name):
    chosen = ["sampler=predictor_corrector"] if group in ("sampler/predictor", "sampler/corrector") else []
    if group == "metrics":
        chosen = ["metrics=[]"]
    value = f"[{name}]" if group == "metrics" else name
    cfg = composed(COMMAND_OF.get(group, "train"), *chosen, f"{group}={value}", with_hydra=False)
    plain, recipe = dict(flat(OmegaConf.to_container(cfg))), recipe_of("digits")
    for row in options.group_options(group, name):
        if row.key in plain:
            assert plain[row.key] in (in_yaml(row.default), recipe.get(row.key, "???")), row.key


def recipe_of(dataset):
    """What a data set's file says of other groups: its values are those that a command starts from."""
    file = OmegaConf.to_container(OmegaConf.load(CONF / "dataset" / f"{dataset}.yaml"))
    return dict(
        flat({group: values for group, values in file.items() if group not in ("defaults", "dataset")})
    )
