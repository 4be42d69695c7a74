"""A model in diffusers computes and draws what it computes and draws here."""

import dataclasses

import pytest
import torch
from diffusers import UNet2DModel
from torch import nn

import diffusion_lightning as dl
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
