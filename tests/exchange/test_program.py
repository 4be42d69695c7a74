"""(x_t, t, y) → x0 as one program: the Denoiser's own x0, at every time and for every schedule."""

import itertools
import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch

import diffusion_lightning as dl
from diffusion_lightning.diffusion.grids import LAM_MIN
from diffusion_lightning.exchange.program import X0Program
from tests.exchange.test_onnx import PARAMETERIZATIONS, SHAPE, K
from tests.support.command import ROOT
from tests.support.in_process import succeed_here
from tests.support.networks import perturb


@dataclass(frozen=True)
class ClosedForm(dl.Schedule):
    """EDM's κ = tan(π t/2), cut before infinity: a schedule that is no table."""

    def log_alpha_bar(self, t):
        t = torch.as_tensor(t, dtype=torch.float64)
        return 2 * torch.log(torch.cos(0.499 * torch.pi * t))


SCHEDULES = dl.Linear(), dl.Linear(T=50), dl.Cosine(), dl.Cosine(T=4000), ClosedForm(), ClosedForm(T=20)


def program_of(schedule, parameterization=None):
    torch.manual_seed(1)
    network = perturb(dl.UNet(1, 8, K, 8, (1,), 1), by=0.1)
    denoiser = dl.Denoiser(network, schedule, parameterization or dl.Eps()).eval()
    return denoiser, X0Program(denoiser).eval()


@pytest.mark.parametrize("schedule", SCHEDULES, ids=str)
def test_alpha_and_sigma_are_the_schedules(schedule):
    _, program = program_of(schedule)
    T = schedule.T
    at = torch.arange(1, T + 1, dtype=torch.float64) / T
    alpha, sigma = program.scales(torch.arange(1, T + 1).float())
    # One or two roundings to float32
    torch.testing.assert_close(alpha, schedule.alpha(at).float(), rtol=2e-7, atol=0)
    torch.testing.assert_close(sigma, schedule.sigma(at).float(), rtol=2e-7, atol=0)
    # Between the timesteps, at times that float32 holds
    t = (torch.arange(1, 4096) / 4096).float()
    time = T * t.double()
    walked = (time >= 1) & (schedule.lam(t) > LAM_MIN)
    known = (time.float().double() == time) & walked
    assert known.sum() > 100
    alpha, sigma = program.scales(time.float()[known])
    within = {"rtol": 5e-7 if isinstance(schedule, dl.BetaSchedule) else 2e-5, "atol": 0}
    torch.testing.assert_close(alpha.double(), schedule.alpha(t[known]), **within)
    torch.testing.assert_close(sigma.double(), schedule.sigma(t[known]), **within)


@pytest.mark.parametrize("parameterization", PARAMETERIZATIONS, ids=str)
@pytest.mark.parametrize("schedule", [dl.Linear(), dl.Cosine(T=400)], ids=str)
def test_every_timestep_is_the_denoisers(schedule, parameterization):
    denoiser, program = program_of(schedule, parameterization)
    x, y = torch.randn(1, *SHAPE), torch.tensor([1])
    with torch.no_grad():
        for i in [*range(1, schedule.T + 1, 37), schedule.T]:
            t = i / schedule.T
            expected = denoiser.x0(x, schedule.level(t), y)
            found = program(x, torch.tensor([t], dtype=torch.float32), y)
            assert (found - expected).abs().max() <= 1e-6 * expected.abs().max()


def test_times_and_labels_differ_from_image_to_image():
    denoiser, program = program_of(dl.Cosine())
    times, labels = (1.0, 0.5, 0.001, 0.4321), (0, 3, 1, 2)
    x = torch.randn(4, *SHAPE)
    with torch.no_grad():
        together = program(x, torch.tensor(times), torch.tensor(labels))
        for i, (t, y) in enumerate(zip(times, labels, strict=True)):
            alone = denoiser.x0(x[i : i + 1], denoiser.schedule.level(t), torch.tensor([y]))
            torch.testing.assert_close(
                together[i : i + 1], alone, rtol=1e-5, atol=1e-5 * float(alone.abs().max())
            )


@pytest.mark.parametrize("T", [100, 1000, 4000])
def test_the_network_is_fed_the_timesteps_of_training(T):
    _, program = program_of(dl.Cosine(T=T))
    t = (torch.arange(1, T + 1, dtype=torch.float64) / T).float()
    seen = []
    program.network.forward = lambda x, time, y: (seen.append(time), x)[1]
    for nearby in t, t.nextafter(torch.tensor(0.0)), t.nextafter(torch.tensor(2.0)):
        program(torch.zeros(T, *SHAPE), nearby, torch.zeros(T, dtype=torch.long))
        assert seen.pop().equal(torch.arange(1, T + 1).float())


@pytest.mark.slow
def test_a_program_of_torch_export_is_the_denoiser(tmp_path):
    run = ROOT / "tests" / "made_at_e9b7708" / "cosine"
    options = [f"checkpoint={run}", "format=torch_export", "out=out", "sampler.steps=3"]
    succeed_here("diffusion_lightning/export.py", *options, cwd=tmp_path)
    program = torch.export.load(tmp_path / "out" / "denoiser.pt2").module()
    walk = json.loads((tmp_path / "out" / "denoiser.json").read_text())
    denoiser = dl.load(run, device="cpu", speed=dl.Speed("32-true")).denoiser
    assert walk["class_names"] == [str(digit) for digit in range(10)] and len(walk["steps"]) == 3
    for batch, step in itertools.product((1, 3), walk["steps"]):
        x, y = torch.randn(batch, *walk["shape"]), torch.arange(batch)
        with denoiser.in_float32():
            expected = denoiser.x0(x, denoiser.schedule.level(step["t"]), y).detach()
        found = program(x, torch.full((batch,), step["t"]), y)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))
