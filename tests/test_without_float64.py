"""On a device without float64, such as Apple's GPUs, everything runs, and gives what the CPU gives."""

import json
from contextlib import nullcontext

import numpy as np
import pytest
import torch

from diffusion_lightning.commands.evaluate import evaluate
from diffusion_lightning.commands.sample import sample
from diffusion_lightning.commands.train_extractor import train as train_extractor
from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.samplers import DDIM
from diffusion_lightning.sampling.load import load
from tests.support.accelerator import DEVICE, without_float64
from tests.support.configs import composed, names, of_images
from tests.support.networks import perturb
from tests.support.runs import differences, left_behind, train_in

PLAIN = "speed.precision=32-true"
"""The CPU might choose bfloat16, which Apple's GPUs do not multiply in."""

DEVICES = {"cpu": nullcontext, "auto": without_float64}


def test_the_device_is_what_it_says():
    x = torch.arange(6.0).view(2, 3)
    with without_float64():
        y = x.to("mps")
        assert y.device == DEVICE and torch.zeros(2, device=DEVICE).device == DEVICE
        assert torch.equal((y.T @ y).cpu(), x.T @ x) and y[1, 2].item() == 5
        for make in (
            lambda: y.double(),
            lambda: x.double().to(DEVICE),
            lambda: torch.zeros(2, dtype=torch.float64, device=DEVICE),
            lambda: torch.tensor([1.0], dtype=torch.float64, device=DEVICE),
            lambda: y * torch.tensor(2.0, dtype=torch.float64, device=DEVICE),
        ):
            with pytest.raises(TypeError, match="float64"):
                make()
        with pytest.raises(RuntimeError, match="same device"):
            x + y


@pytest.mark.slow
def test_training_leaves_what_it_leaves_on_the_cpu(tmp_path):
    """Weights, averages, losses by time, FID, grids; within an epoch, and resumed."""
    options = [PLAIN, "guidance=cfg", "callbacks=fid", "callbacks.fid.num_images=20", "objective=min_snr"]
    options += ["callbacks.fid.sampler.steps=2", "trainer.max_epochs=2", "schedule=cosine"]
    options += ["callbacks.sample_grid.every_n_epochs=1", "trainer.limit_train_batches=3"]
    train_in(tmp_path / "cpu", *options, "trainer.accelerator=cpu")
    with without_float64():
        train_in(tmp_path / "there", *options, "trainer.max_epochs=1")
        train_in(tmp_path / "there", *options, "resume=true")
    assert differences(left_behind(tmp_path / "cpu"), left_behind(tmp_path / "there")) == []


OBJECTIVES = [composed("train", f"objective={name}").objective for name in names("objective")]


@pytest.mark.parametrize("schedule", names("schedule"))
@pytest.mark.parametrize("parameterization", names("parameterization"))
def test_every_objective(schedule, parameterization):
    cfg = composed("train", f"schedule={schedule}", f"parameterization={parameterization}", "network.width=8")
    for objective in OBJECTIVES:
        losses = []
        for place in DEVICES.values():
            torch.manual_seed(0)
            network, loss = perturb(instantiate(cfg.network)), instantiate(objective)
            parts = network, instantiate(cfg.schedule), instantiate(cfg.parameterization)
            with place() as device:
                denoiser = Denoiser(*parts).to(device or "cpu")
                x0, y = torch.randn(4, 1, 8, 8).to(device or "cpu"), torch.arange(4).to(device or "cpu")
                if isinstance(loss, torch.nn.Module):
                    loss.to(device or "cpu")
                losses.append(loss(denoiser, x0, y).tolist())
        assert losses[0] == losses[1]


def drawn(run, folder, *options):
    """What `sample.py` draws on the CPU and on the device: pixels, or else its other files."""
    results = []
    for name, place in DEVICES.items():
        out = folder / name
        asked = [f"checkpoint='{run}'", f"out='{out}'", f"device={name}", PLAIN, *options]
        with place():
            sample(composed("sample", *asked, with_hydra=False))
        arrays = [np.load(file)["arr_0"].tobytes() for file in sorted(out.glob("*.npz"))]
        tables = [file.read_text(encoding="utf-8") for file in sorted(out.glob("*.csv"))]
        results.append((arrays, tables))
    return results


@pytest.mark.slow
@pytest.mark.parametrize("sampler", names("sampler"))
def test_every_sampler(sampler, trained_digits, tmp_path):
    cpu, there = drawn(trained_digits, tmp_path, f"sampler={sampler}", "sampler.steps=4", "num_images=4")
    assert cpu == there


SLOW = pytest.mark.slow

PARTS = ["sampler/grid", "clamp", "sampler/corrector", pytest.param("sampler/predictor", marks=SLOW)]


@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
def test_every_part_of_a_sampler(part, trained_digits, tmp_path):
    composite = ["sampler=predictor_corrector"] if part.endswith(("predictor", "corrector")) else []
    for name in names(part):
        options = [*composite, f"{part}={name}", "sampler.steps=3", "num_images=1", "guidance.scale=2"]
        cpu, there = drawn(trained_digits, tmp_path / name, *options, "guidance.rescale=0.5")
        assert cpu == there, name


SHORT = {
    "sampler_study": ["task.evaluations=[8]", "task.num_images=1"],
    "clamp_study": ["task.num_images=4"],
    "interpolate": ["task.images=[0,1]", "task.points=3"],
    "inpaint": ["task.images=[0]", "task.samples=2"],
    "image_to_image": ["task.images=[0,1]"],
    "guidance_sweep": ["task.scales=[0,2]", "task.columns=2"],
}
"""Options of tasks besides few steps."""


TASKS = [pytest.param(name, marks=SLOW) if name == "sampler_study" else name for name in of_images("task")]


@pytest.mark.slow
@pytest.mark.parametrize("task", TASKS)
def test_every_task(task, trained_digits, tmp_path):
    short = [] if task == "sampler_study" else ["sampler.steps=3"]
    cpu, there = drawn(trained_digits, tmp_path, f"task={task}", *short, *SHORT.get(task, []))
    assert cpu == there and any(cpu)


def test_the_ends_of_drawn_strips(trained_digits, tmp_path):
    """With noise in every step, which lies between that of the ends."""
    cpu, there = drawn(trained_digits, tmp_path, "task=interpolate", "sampler=ddpm", "sampler.steps=4")
    assert cpu == there


@pytest.mark.slow
def test_every_metric(trained_digits, tmp_path):
    figures = []
    for name, place in DEVICES.items():
        asked = [f"checkpoint='{trained_digits}'", f"out='{tmp_path / name}'", f"device={name}", PLAIN]
        asked += [f"metrics=[{','.join(names('metrics'))}]", "num_images=40", "sampler.steps=3"]
        asked += ["metrics.bits.steps=3", "metrics.bits.num_images=2", "metrics.bits.flow.steps=2"]
        with place():
            evaluate(composed("evaluate", *asked, with_hydra=False))
        figures.append(json.loads((tmp_path / name / "evaluation.json").read_text(encoding="utf-8")))
    for part in "samples", "floor":  # the data's statistics are computed once, and then read
        assert figures[1][part] == pytest.approx(figures[0][part], rel=1e-9)


@pytest.mark.slow
def test_the_python_interface(trained_digits):
    model = load(trained_digits, device="cpu")
    short = {"sampler": DDIM(5), "progress": False}
    images = model.sample(num_images=2, **short)
    latents = model.invert(images, [0, 1], **short)
    with without_float64():
        there = load(trained_digits)
        assert there.device == DEVICE
        assert torch.equal(there.invert(images, [0, 1], **short).cpu(), latents)
        assert there.interpolate(latents=latents, labels=[0, 1], points=3, **short).device == DEVICE


@pytest.mark.slow
def test_an_extractor_is_trained(tmp_path):
    accuracies = []
    for name, place in DEVICES.items():
        asked = [f"out='{tmp_path / name}.safetensors'", "epochs=1", f"accelerator={name}", "dataset=digits"]
        with place():
            file = train_extractor(composed("train_extractor", *asked, with_hydra=False))
        accuracies.append(file.read_bytes())
    assert accuracies[0] == accuracies[1]
