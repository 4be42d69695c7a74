"""Objects of a checkpoint's config: those that Hydra would build, if all of them are trusted."""

import functools

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from diffusion_lightning.checkpoints.trust import build_trusted
from diffusion_lightning.diffusion.samplers import PredictorCorrector, Sampler
from diffusion_lightning.diffusion.schedules import Schedule
from diffusion_lightning.errors import UserError
from diffusion_lightning.networks import UNet
from tests.support.configs import composed, names


class Pair(nn.Module):
    def __init__(self, *parts, more=(), options=None):
        super().__init__()
        self.parts, self.more, self.options = parts, more, options or {}


def target(name, **arguments):
    return {"_target_": f"diffusion_lightning.{name}", **arguments}


def pair(*parts, **arguments):
    return {"_target_": f"{__name__}.Pair", "_args_": list(parts), **arguments}


def inside(value):
    """What an object is made of, to be compared."""
    if isinstance(value, nn.Module):
        return type(value), [(name, tuple(p.shape)) for name, p in value.named_parameters()]
    if isinstance(value, list | tuple):
        return [inside(item) for item in value]
    if hasattr(value, "__dict__"):
        return type(value), {name: inside(item) for name, item in vars(value).items()}
    return value


@pytest.mark.parametrize("sampler", names("sampler"))
def test_nested_objects_are_those_that_hydra_builds(sampler):
    plain = OmegaConf.to_container(composed("train", f"sampler={sampler}").sampler, resolve=True)
    built = build_trusted("sampler", plain, Sampler)
    assert inside(built) == inside(instantiate(plain, _convert_="all"))


def test_networks_are_those_that_hydra_builds():
    plain = OmegaConf.to_container(composed("train").network, resolve=True)
    built, hydras = build_trusted("network", plain, nn.Module), instantiate(plain, _convert_="all")
    assert isinstance(built, UNet) and inside(built) == inside(hydras)


def test_lists_dicts_positional_and_partial_arguments_are_built_too():
    node = pair(
        target("Eps"),
        more=[target("Linear", T=7), 3],
        options={
            "schedule": target("Cosine"),
            "later": target("DDIM", _partial_=True, steps=4),
            "none": None,
        },
        _convert_="all",
    )
    built = build_trusted("network", node, nn.Module, trust=["tests"])
    hydras = instantiate(node)
    assert inside(list(built.parts)) == inside(list(hydras.parts))
    assert (
        built.more[0].T == 7 and built.more[1] == 3 and type(built.options["schedule"]).__name__ == "Cosine"
    )
    assert isinstance(built.options["later"], functools.partial)
    assert built.options["later"]().steps == 4


def test_arguments_are_replaced_at_the_top():
    assert build_trusted("schedule", target("Linear", T=7), Schedule, T=9).T == 9


EVIL = {"_target_": "os.system", "command": "touch executed"}


@pytest.mark.parametrize(
    "node",
    [
        EVIL,
        target("PredictorCorrector", predictor=EVIL),
        target("PredictorCorrector", predictor=[{"deep": EVIL}]),
        target("PredictorCorrector", predictor=target("NoStep", x=EVIL)),
        target("evaluation.report.json.loads"),  # of a module that is ours, but not ours itself
        target("files.os.system"),
        {"_target_": ["os.system"]},
        {"_target_": None},
    ],
)
def test_foreign_code_is_never_called(node, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=r"which is not part of diffusion_lightning|not there"):
        build_trusted("sampler", node, Sampler)
    assert not list(tmp_path.iterdir())


def test_nothing_is_built_before_all_is_trusted(monkeypatch):
    monkeypatch.setattr(PredictorCorrector, "__init__", lambda self, **_: pytest.fail("it was built"))
    with pytest.raises(UserError, match=r"'os\.system'"):
        build_trusted("sampler", target("PredictorCorrector", predictor=target("DDIM", grid=EVIL)), Sampler)


@pytest.mark.parametrize(
    ("node", "message"),
    [
        (target("Static"), "the checkpoint's schedule is no Schedule"),
        ([target("Linear")], "the checkpoint's schedule is no Schedule"),
        (target("Linear", T="many"), "the checkpoint's schedule.T is 'many'; it must be an integer"),
        (target("Linear", colour=3), "the checkpoint's schedule.colour is unknown"),
        (target("Linear", T=0), "the checkpoint's schedule: T is 0"),
        (target("Schedule"), "the checkpoint's schedule: Can't instantiate abstract class"),
        (target("Nothing"), "which is not there"),
    ],
)
def test_bad_values_are_named(node, message):
    with pytest.raises(UserError, match=message):
        build_trusted("schedule", node, Schedule)


def test_trust_is_for_the_package_that_is_named():
    node = {"_target_": "torch.nn.Linear", "in_features": 2, "out_features": 3}
    with pytest.raises(UserError, match=r'add trust=\["torch"\]'):
        build_trusted("network", node, nn.Module)
    assert isinstance(build_trusted("network", node, nn.Module, trust=["torch"]), torch.nn.Linear)
