import pytest
import torch

from diffusion_lightning.diffusion.clamp import Static
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.parameterizations import Eps
from diffusion_lightning.diffusion.samplers import DDIM, DDPM
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.diffusion.schedules import Linear
from diffusion_lightning.networks import UNet
from diffusion_lightning.sampling.generate import generate
from tests.support.networks import perturb


@pytest.mark.parametrize("sampler", [DDIM(20), DDPM(100), DDIM(20, eta=0.5)])
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
        torch.testing.assert_close(images(size), expected, rtol=0, atol=1e-5)
    # two processes, one taking every other image
    torch.testing.assert_close(images(5, range(1, 16, 2)), expected[1::2], rtol=0, atol=1e-5)
