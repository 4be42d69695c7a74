from contextlib import nullcontext

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from diffusion_lightning.diffusion.clamp import Dynamic, NoClamp, Static
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.parameterizations import Eps
from diffusion_lightning.diffusion.samplers import DDIM, DDPM, DPMSolverPP, Heun
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.diffusion.schedules import Linear
from diffusion_lightning.errors import NotFinite
from diffusion_lightning.networks import UNet
from diffusion_lightning.networks.blocks import Upsample
from diffusion_lightning.sampling.generate import generate, generate_sharded
from tests.support.accelerator import Waits, without_float64
from tests.support.networks import perturb

A_HUNDREDTH = 2 / 255 / 100
"""Of an 8-bit level: in float32, other sizes of a batch are rounded otherwise."""


@pytest.mark.parametrize("sampler", [DDIM(8), DDPM(12), DDIM(8, eta=0.5)])
def test_image_k_is_the_same_in_any_batch(sampler):
    torch.manual_seed(0)
    denoiser = perturb(Denoiser(UNet(1, 8, 10, 8, (1, 2), 1, (4,)), Linear(), Eps()).eval(), by=0.02)
    sampling = Sampling(sampler, Guidance(0.1, 2.0), Static())

    def images(batch_size, indices=range(16)):
        labels = [i % 10 for i in indices]
        batches = generate(sampling, denoiser, labels, indices, (1, 8, 8), 0, batch_size)
        return torch.cat([x for x, _ in batches])

    expected = images(16)
    assert expected.std() > 0.1
    for size in (4, 7):
        torch.testing.assert_close(images(size), expected, rtol=0, atol=A_HUNDREDTH)
    # two processes, one taking every other image
    torch.testing.assert_close(images(5, range(1, 16, 2)), expected[1::2], rtol=0, atol=A_HUNDREDTH)


class Casts(TorchDispatchMode):
    """Counts the casts of some tensors to bfloat16."""

    def __init__(self, tensors):
        super().__init__()
        self.shapes = [x.shape for x in tensors]
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is torch.ops.aten._to_copy.default and args[0].shape in self.shapes:
            self.count += (kwargs or {}).get("dtype") == torch.bfloat16
        return func(*args, **(kwargs or {}))


def test_weights_are_cast_once_for_a_walk(monkeypatch):
    """Those of convolutions, whose shapes no image has; the images are the same bit for bit."""
    denoiser = perturb(Denoiser(UNet(1, 8, 10, 8, (1, 2), 1), Linear(), Eps()).eval(), by=0.02)
    denoiser.dtype = torch.bfloat16
    convolutions = [m for m in denoiser.modules() if isinstance(m, nn.Conv2d) and not isinstance(m, Upsample)]
    weights = [m.weight for m in convolutions]  # of Upsample's it is their sums that are multiplied

    def images_and_casts(steps):
        with Casts(weights) as casts:
            ((images, _),) = generate(
                Sampling(DDIM(steps), Guidance(0.1, 2.0), Static()), denoiser, [3], [0], (1, 8, 8), 0, 1
            )
        return images, casts.count

    (_, short), (images, long) = images_and_casts(2), images_and_casts(6)
    assert short == long == len(weights)
    monkeypatch.setattr(denoiser, "casting_once", nullcontext)
    expected, casts = images_and_casts(6)
    assert casts == 6 * len(weights) and images.equal(expected)


def test_all_processes_stop_where_the_walk_of_one_overflows(monkeypatch):
    denoiser = Denoiser(UNet(1, 8, 10, 8, (1, 2), 1), Linear(), Eps()).eval()
    for there, clamp, scale, message in (
        (True, Static(), 2.0, "the walk of another process"),
        (False, NoClamp(), 1e38, "DDIM, step"),
    ):
        said = []
        monkeypatch.setattr(
            "diffusion_lightning.sampling.generate.true_anywhere",
            lambda here, there=there, said=said: said.append(here) or here or there,
        )
        perturb(denoiser, by=0.02)
        blocks = generate_sharded(
            Sampling(DDIM(3), Guidance(0.1, scale), clamp), denoiser, range(10), 4, (1, 8, 8), 0, 4
        )
        with pytest.raises(NotFinite, match=message):
            next(blocks)
        assert said == [not there]


@pytest.mark.parametrize("sampler", [DDPM(20), Heun(8), DPMSolverPP(20)])
def test_a_walk_waits_for_its_device_once(sampler):
    """At its end, where it is asked whether the walk stayed finite."""
    with without_float64() as device:
        denoiser = Denoiser(UNet(1, 8, 10, 8, (1, 2), 1, (4,)), Linear(), Eps()).eval().to(device)
        sampling = Sampling(sampler, Guidance(0.1, 2.0, rescale=0.5), Dynamic())
        with Waits() as waits:
            list(generate(sampling, denoiser, [1, 2], [0, 1], (1, 8, 8), 0, 2))
    assert len(waits.seen) == 1
