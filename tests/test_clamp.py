import numpy as np
import pytest
import torch

from diffusion_lightning.clamp import Dynamic, NoClamp, Static
from diffusion_lightning.errors import UserError
from diffusion_lightning.samplers import DDIM, DDPM
from diffusion_lightning.schedules import Linear
from tests.oracles import GaussianOracle, normal, sampling_model

WIDE = GaussianOracle(Linear(), mean=0.9, std=1.0)


@pytest.mark.parametrize("clamp", [Static(), Dynamic(), Dynamic(0.5)])
def test_x0_is_bounded_and_eps_re_derived(clamp):
    p = sampling_model(WIDE, clamp)(normal(4, 3, 8, 8), 0.3)
    assert p.x0.abs().max() <= 1
    torch.testing.assert_close(p.alpha * p.x0 + p.sigma * p.eps, p.x_t)


@pytest.mark.parametrize("sampler", [DDIM(10), DDPM(10)])
def test_the_clamp_changes_the_walk(sampler):
    walks = []
    for clamp in (NoClamp(), Static()):
        seen = []
        torch.manual_seed(0)
        sampler(sampling_model(WIDE, clamp), normal(4, 1, 4, 4), callback=lambda *a: seen.append(a))
        walks.append(seen[-1][2].x_t)
    assert (walks[0] - walks[1]).abs().max() > 0.1


def test_dynamic_is_imagens():
    # Two images out of range, and two inside it that must stay as they are.
    x0 = torch.tensor([3.0, 1.5, 0.3, 0.1]).view(4, 1, 1, 1) * normal(4, 1, 8, 8).clamp(-3, 3)
    for image, clamped in zip(x0.numpy(), Dynamic(0.9)(x0).numpy(), strict=True):
        s = max(1.0, np.quantile(np.abs(image), 0.9))
        np.testing.assert_allclose(clamped, np.clip(image, -s, s) / s, rtol=1e-6)
    assert torch.equal(Dynamic(0.9)(x0)[2:], x0[2:])


def test_refuses_a_bad_quantile():
    with pytest.raises(UserError, match="quantile"):
        Dynamic(0.0)
