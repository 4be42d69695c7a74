"""The denoiser as an ONNX file: a loop in NumPy draws the images that our DDIM draws."""

import itertools
import json
import re

import numpy as np
import pytest
import torch

import diffusion_lightning as dl
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.exchange.base import Exported
from diffusion_lightning.exchange.onnx import ONNX
from diffusion_lightning.exchange.walk import walk_facts
from diffusion_lightning.files import write_json
from tests.support.networks import perturb
from tests.support.pages import numpy_loop

K = 3
SHAPE = 1, 8, 8
PARAMETERIZATIONS = dl.Eps(), dl.X0(), dl.V(), dl.EDM(0.4)
SCHEDULES = dl.Linear(), dl.Cosine()


def exported(parameterization, schedule, guidance, sampler, label=None, clamp=None):
    torch.manual_seed(1)
    network = perturb(dl.UNet(1, 8, K, 8, (1,), 1, num_heads=2), by=0.1).eval()
    data = {"image_channels": 1, "image_size": 8, "num_classes": K}
    config = {"dataset": data, "schedule": {"_target_": "diffusion_lightning.Linear"}}
    sampling = dl.Sampling(sampler, guidance, clamp or dl.Static())
    denoiser = dl.Denoiser(network, schedule, parameterization)
    return Exported(denoiser, sampling, label, ["a", "b", "c"], {"hyper_parameters": config})


def ours(model, x, y):
    sampling = model.sampling
    watched = SamplingModel(model.denoiser, sampling.guidance, sampling.clamp, y)
    return dl.to_uint8(sampling.sampler(watched, x))


CASES = [
    pytest.param(p, s, marks=[] if (i, j) == (0, 1) else pytest.mark.slow, id=f"{p}-{s}")
    for (i, p), (j, s) in itertools.product(enumerate(PARAMETERIZATIONS), enumerate(SCHEDULES))
]


@pytest.mark.parametrize(("parameterization", "schedule"), CASES)
def test_a_loop_in_numpy_draws_our_images(parameterization, schedule, tmp_path):
    draw = numpy_loop()
    # 7 steps: times between the timesteps
    model = exported(parameterization, schedule, dl.Guidance(0.1, 2.5), dl.DDIM(7))
    ONNX()(model, tmp_path)
    torch.manual_seed(2)
    for batch in 1, 3:
        x, y = torch.randn(batch, *SHAPE), torch.arange(batch) % K
        expected = ours(model, x, y).numpy().astype(int)
        drawn = draw(tmp_path, x.numpy(), y.numpy())
        assert np.abs(drawn - expected).max() <= 1
        assert (drawn == expected).mean() > 0.95 and expected.std() > 20  # not all black, nor all white
    content = (tmp_path / "denoiser.onnx").read_bytes()
    assert not re.search(rb"diffusion_lightning|/tests/|/home/|\.py\b", content), (
        "it names this machine's files"
    )
    # Without guidance it is another image, so the scale counts
    walk = json.loads((tmp_path / "denoiser.json").read_text())
    walk["steps"] = [step | {"scale": 1} for step in walk["steps"]]
    (tmp_path / "denoiser.json").write_text(json.dumps(walk))
    assert np.abs(draw(tmp_path, x.numpy(), y.numpy()) - expected).max() > 1


@pytest.mark.slow
@pytest.mark.parametrize("label", [1, K])
def test_a_model_of_one_label_draws_that_one(label, tmp_path):
    guidance = dl.Guidance(0.1, 1.0) if label < K else dl.Guidance(1.0, 0.0)
    model = exported(dl.V(), dl.Linear(), guidance, dl.DDIM(5), label=label)
    ONNX()(model, tmp_path)
    x = torch.randn(3, *SHAPE)
    expected = ours(model, x, torch.full((3,), label)).numpy().astype(int)
    drawn = numpy_loop()(tmp_path, x.numpy(), np.zeros(3, np.int64))
    assert np.abs(drawn - expected).max() <= 1


def test_the_json_is_the_walk(tmp_path):
    guidance = dl.Guidance(0.1, 3.0, interval=(0.2, 0.7), rescale=0.5, away=1)
    model = exported(dl.V(), dl.Cosine(T=100), guidance, dl.DDIM(5, grid=dl.Karras()), clamp=dl.Dynamic(0.9))
    write_json(walk_facts(model), tmp_path / "denoiser.json")
    walk = json.loads((tmp_path / "denoiser.json").read_text())
    schedule = model.denoiser.schedule
    times = dl.Karras()(schedule, 5)
    assert [step["t"] for step in walk["steps"]] == times
    for name, exact in ("alpha", schedule.alpha), ("sigma", schedule.sigma), ("lam", schedule.lam):
        assert [step[name] for step in walk["steps"]] == exact(times).tolist()
    assert [step["scale"] for step in walk["steps"]] == [3.0 if 0.2 <= t <= 0.7 else 1.0 for t in times]
    assert walk["guidance"]["other_label"] == 1 and walk["guidance"]["rescale"] == 0.5
    assert walk["clamp"] == {"name": "Dynamic", "quantile": 0.9}
    assert walk["shape"] == list(SHAPE) and walk["null_label"] == K and walk["class_names"] == ["a", "b", "c"]
    assert walk["value_range"] == [-1, 1] and walk["label"] is None


def test_a_network_that_cannot_be_traced_is_refused_before_anything_is_written(tmp_path):
    class Branches(torch.nn.Module):
        num_classes = 0

        def forward(self, x_t, time, y):
            return x_t if x_t.sum() > 0 else -x_t

    model = exported(dl.Eps(), dl.Linear(), dl.Guidance(1, 0), dl.DDIM(2))
    model.denoiser.network = Branches()
    with pytest.raises(dl.UserError, match=r"Branches cannot be exported: torch.export says: ") as error:
        ONNX()(model, tmp_path)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())
