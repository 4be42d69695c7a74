"""The public names: each can be imported and is documented, and configs use no others."""

import importlib
import inspect
import re
import subprocess
import sys

import pytest

import diffusion_lightning as dl
from tests.support.command import ROOT

NAMES = [name for name in dl.__all__ if not name.startswith("_")]
TARGETS = sorted(
    {
        found
        for path in (ROOT / "conf").rglob("*.yaml")
        for found in re.findall(r"_target_: *([\w.]+)", path.read_text())
    }
)
COMPOSES = {
    *("load", "DiffusionModel", "Bits", "save_grid", "from_uint8", "to_uint8", "UserError"),
    *("Denoiser", "Prediction", "Guidance", "SamplingModel", "Sampling", "Speed", "UNet", "ImageNoise"),
    *("Schedule", "BetaSchedule", "Linear", "Cosine", "Parameterization", "Eps", "X0", "V"),
    *("Objective", "SimpleMSE", "MinSNR", "Clamp", "NoClamp", "Static", "Dynamic", "KnownPixels"),
    *("Sampler", "DDIM", "DDPM", "DEIS", "DPMSolverPP", "Heun", "Langevin", "PredictorCorrector", "NoStep"),
    *("Corrector", "Resample", "Grid", "Uniform", "Quadratic", "LogSNR", "Karras", "Times"),
    *("invert", "slerp", "SlerpNoise", "LabelMorph", "variational_bound", "FlowLikelihood"),
    *("ImageData", "MNIST", "FashionMNIST", "CIFAR10", "Digits", "ImageFolder"),
    *("Task", "SamplingRequest", "Metric", "Comparison"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_public_name_is_what_it_says_and_is_documented(name):
    found = getattr(dl, name)
    assert found.__name__ == name and found.__module__.startswith("diffusion_lightning.")
    assert (found.__doc__ or "").strip() and not found.__doc__.startswith(f"{name}("), (
        "its docstring is missing"
    )
    if inspect.isclass(found):
        undocumented = [
            key
            for key, value in vars(found).items()
            if not key.startswith("_") and inspect.isfunction(value) and not inspect.getdoc(value)
        ]
        assert not undocumented


def test_everything_that_composes_is_public():
    assert set(NAMES) >= COMPOSES


@pytest.mark.parametrize("target", TARGETS)
def test_a_config_names_public_names_alone(target):
    package, _, name = target.partition(".")
    if package == "diffusion_lightning":
        assert name in NAMES
    else:
        module, _, attribute = target.rpartition(".")
        assert hasattr(importlib.import_module(module), attribute)


def test_there_are_targets_to_look_at():
    assert len([target for target in TARGETS if target.startswith("diffusion_lightning.")]) > 50


def test_importing_the_package_imports_next_to_nothing():
    code = "import sys; import diffusion_lightning; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    ours = {name for name in modules if name.startswith("diffusion_lightning")}
    assert ours == {"diffusion_lightning"}
    assert not modules & {"torch", "numpy", "hydra", "omegaconf", "lightning", "torchvision", "tqdm"}


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="Nothing"):
        _ = dl.Nothing
