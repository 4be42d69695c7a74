"""A model in diffusers computes and draws what it computes and draws here."""

import dataclasses
import json

import pytest
import torch
from diffusers import DDPMScheduler, UNet2DModel
from torch import nn

import diffusion_lightning as dl
from diffusion_lightning.errors import UserError
from diffusion_lightning.networks.blocks import sinusoidal
from tests.exchange.models import NETWORKS, exported, network

pytestmark = pytest.mark.filterwarnings("ignore")


class Waves(nn.Module):
    """diffusers' embedding of time with our frequencies, in float64, where diffusers' own is float32."""

    def __init__(self, dim, freq_shift):
        super().__init__()
        self.dim, self.freq_shift = dim, freq_shift

    def forward(self, k):
        return sinusoidal(k.double(), self.dim, self.freq_shift)


class Flat(dl.Schedule):
    """A schedule in closed form."""

    def log_alpha_bar(self, t):
        return -10 * torch.as_tensor(t, dtype=torch.float64)


def written(tmp_path, model, **changes):
    made = dataclasses.replace(model, **changes)
    tmp_path.mkdir(exist_ok=True)
    dl.DiffusersFormat()(made, tmp_path)
    return tmp_path


@pytest.mark.parametrize("options", NETWORKS, ids=str)
@pytest.mark.parametrize("label", [None, "null", 0])
def test_the_unet_computes_the_same(options, label, tmp_path):
    ours = network(**options)
    label = ours.num_classes if label == "null" else label
    if label == 0 and ours.num_classes == 0:
        label = None
    folder = written(tmp_path, exported(ours), label=label)
    theirs = UNet2DModel.from_pretrained(folder, subfolder="unet")
    x = torch.randn(4, *ours.image_shape)
    time = torch.tensor([1, 7, 400, 1000])
    y = torch.tensor([0, 1, 2, 3]).clamp(max=ours.num_classes)
    y = y if label is None else torch.full_like(y, label)
    labels = (y,) if label is None else ()
    with torch.no_grad():
        for dtype, tolerance in (torch.float32, 1e-5), (torch.float64, 1e-10):
            if dtype == torch.float64:  # the weights again, without the rounding to float32
                ours, theirs = ours.double(), theirs.double()
                written(tmp_path / "double", exported(ours), label=label)
                theirs = UNet2DModel.from_pretrained(tmp_path / "double", subfolder="unet", torch_dtype=dtype)
                theirs.time_proj = Waves(ours.embedding.width, ours.embedding.freq_shift)
            a = ours(x.to(dtype), time.to(dtype), y)
            b = theirs(x.to(dtype), time - 1, *labels).sample
            assert a.dtype == b.dtype == dtype
            assert (a - b).norm() / a.norm() < tolerance


REFUSED = {
    "patches of pixels": ({"patch": 2}, {}, "cannot express network.patch=2"),
    "norms that vary": ({"norm_groups": None}, {}, "one number of groups in all its normalisations"),
    "heads of two sizes": ({"num_heads": 2, "attention_resolutions": [8, 4]}, {}, "has heads of one size"),
    "a wider first level": ({"channel_mults": [2, 2]}, {}, "channel_mults that begin with 1"),
    "two channels": ({"width": 2, "norm_groups": 1}, {}, "diffusers divides by 0"),
    "EDM": ({}, {"parameterization": dl.EDM()}, "cannot express parameterization EDM"),
    "no table": ({}, {"schedule": Flat()}, "needs a table of β"),
    "Heun": ({}, {"sampler": dl.Heun()}, "not Heun with"),
    "another grid": ({}, {"sampler": dl.DDIM(grid=dl.Quadratic())}, "not DDIM with Quadratic"),
    "an interval": ({}, {"guidance": dl.Guidance(0.1, 2.0, (0.1, 0.9))}, "leave guidance.interval out"),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_diffusers_cannot_express_is_refused_before_anything_is_written(why, tmp_path):
    options, parts, message = REFUSED[why]
    with pytest.raises(UserError, match=message):
        written(tmp_path, exported(network(**options), **parts))
    assert list(tmp_path.iterdir()) == []


def test_another_network_is_refused(tmp_path):
    other = nn.Conv2d(1, 1, 1)
    other.num_classes, other.image_shape = 0, (1, 8, 8)
    with pytest.raises(UserError, match="cannot express a Conv2d"):
        written(tmp_path, exported(other))


@pytest.mark.parametrize(
    "schedule",
    [dl.Linear(), dl.Linear(T=200), dl.Linear(T=15), dl.Cosine(), dl.Cosine(T=300, s=0.01)],
    ids=str,
)
def test_the_scheduler_has_our_betas(schedule, tmp_path):
    written(tmp_path, exported(network(), schedule=schedule))
    betas = DDPMScheduler.from_pretrained(tmp_path, subfolder="scheduler").betas
    torch.testing.assert_close(betas, schedule.betas().float(), rtol=1e-5, atol=1e-9)
    tabled = json.loads((tmp_path / "scheduler" / "scheduler_config.json").read_text())["trained_betas"]
    assert (tabled is None) == (schedule in (dl.Linear(), dl.Linear(T=200), dl.Cosine()))


def test_the_folder_holds_what_diffusers_asks_for_and_nothing_that_could_run(tmp_path):
    written(tmp_path, exported(network(), label=10))
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".json", ".safetensors"}
    assert json.loads((tmp_path / "model_index.json").read_text())["_class_name"] == "DDPMPipeline"
