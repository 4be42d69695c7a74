import pytest
import torch

from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.grids import LogSNR, Uniform
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.interpolation import LabelMorph, SlerpNoise, invert, morph, slerp
from diffusion_lightning.diffusion.noise import ImageNoise
from diffusion_lightning.diffusion.parameterizations import X0
from diffusion_lightning.diffusion.samplers import DDIM, DDPM
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from tests.support.accelerator import Waits, without_float64
from tests.support.networks import LabelValues
from tests.support.oracles import GaussianOracle, MixtureOracle, normal, sampling_model

U = torch.linspace(0, 1, 5, dtype=torch.float64)


def test_slerp_is_exact_at_its_ends_and_keeps_the_norm():
    a, b = (normal(5, 3, 16, 16, seed=i, dtype=torch.float32) for i in (0, 1))
    between = slerp(a, b, U)  # each image on its way to its own
    assert torch.equal(between[0], a[0]) and torch.equal(between[-1], b[-1])
    norms = between.flatten(1).norm(dim=1) / a[0].numel() ** 0.5
    assert (norms - 1).abs().max() < 0.1
    # halfway, a mean of orthogonal latents would have lost 30 % of the norm
    assert torch.lerp(a, b, 0.5).flatten(1).norm(dim=1).mean() / a[0].numel() ** 0.5 < 0.75


def test_slerp_turns_at_a_constant_rate_in_the_plane():
    a, b = torch.tensor([[3.0, 0.0]]).expand(5, 2), torch.tensor([[0.0, 3.0]]).expand(5, 2)
    angle = U * torch.pi / 2
    expected = 3 * torch.stack([angle.cos(), angle.sin()], dim=1).float()
    torch.testing.assert_close(slerp(a.view(5, 2, 1, 1), b.view(5, 2, 1, 1), U).view(5, 2), expected)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_slerp_along_one_line_stays_finite(factor):
    a = normal(5, 1, 4, 4)
    between = slerp(a, factor * a, U)
    assert between.isfinite().all()
    torch.testing.assert_close(between[-1], factor * a[-1])


@pytest.mark.parametrize("sampler", [DDIM(20), DDPM(50)])
def test_the_ends_of_a_strip_are_the_two_images(sampler):
    model = sampling_model(MixtureOracle(Linear()))

    def draw(noise):
        return sampler(model, noise(), noise=noise)

    a, b = (ImageNoise(0, [i] * 5, (2, 1, 1)) for i in (3, 4))
    strip = draw(SlerpNoise(a, b, U))
    for end, i in ((0, 3), (-1, 4)):
        image = draw(ImageNoise(0, [i], (2, 1, 1)))
        torch.testing.assert_close(strip[end], image[0], rtol=0, atol=1e-6)


@pytest.mark.parametrize("schedule", [Linear(), Cosine()])
@pytest.mark.parametrize("grid", [Uniform(), LogSNR()])
def test_sampling_returns_from_the_latent(schedule, grid):
    model, x0 = sampling_model(MixtureOracle(schedule)), MixtureOracle(schedule).sample(50, 0.0)
    errors = {}
    for refinements in (1, 3, 10):
        for steps in (50, 200):
            sampler = DDIM(steps, grid=grid)
            back = sampler(model, invert(model, x0, sampler, refinements))
            errors[refinements, steps] = (back - x0).square().mean().sqrt().item()
    assert errors[1, 200] < errors[1, 50] and errors[10, 200] <= errors[3, 200] <= errors[1, 200]
    assert errors[3, 200] < 0.02  # 40 dB


@pytest.mark.parametrize("sampler", [DDPM(10), DDIM(10, eta=0.5)])
def test_inverts_along_ddim_alone(sampler):
    model = sampling_model(MixtureOracle(Linear()))
    with pytest.raises(UserError, match="DDIM with eta=0"):
        invert(model, normal(2, 2, 1, 1), sampler)


@pytest.mark.parametrize("schedule", [Linear(), Cosine()])
def test_the_latent_is_where_the_probability_flow_leads(schedule):
    oracle, sampler = GaussianOracle(schedule), DDIM(400, grid=LogSNR())
    x0 = oracle.mean + oracle.std * normal(4, 1, 4, 4)
    t_1, t_N = (sampler.grid(schedule, 400)[i] for i in (-1, 0))
    # x0 is what is predicted at t_1, so the flow starts where that is so
    alpha = schedule.alpha(t_1)
    x_1 = alpha * oracle.mean + (x0 - oracle.mean) * oracle.scale(t_1) ** 2 / (alpha * oracle.std**2)
    latent = invert(sampling_model(oracle), x0, sampler)
    torch.testing.assert_close(latent, oracle.flow(x_1, t_1, t_N), rtol=0, atol=0.05)


def test_morph_goes_from_label_to_label():
    denoiser, x = Denoiser(LabelValues(), Linear(), X0()), torch.zeros(5, 1, 2, 2)
    start, end = torch.zeros(5, dtype=torch.long), torch.full((5,), 2)
    guidance, middle = Guidance(0.1, 3.0), Linear().level(0.5)
    morphed = LabelMorph(guidance, end, U).x0(denoiser, x, middle, start)
    ends = [guidance.x0(denoiser, x, middle, y) for y in (start, end)]
    expected = torch.lerp(*ends, U.float().view(-1, 1, 1, 1))
    torch.testing.assert_close(morphed, expected)
    torch.testing.assert_close(morphed[0], ends[0][0], rtol=0, atol=0)
    assert morph(guidance, start, start.clone(), U) is guidance
    assert isinstance(morph(guidance, start, end, U), LabelMorph)


def test_a_morph_does_not_wait_for_its_device():
    with without_float64() as device, Waits() as waits:
        denoiser, x = Denoiser(LabelValues(), Linear(), X0()), torch.zeros(5, 1, 2, 2, device=device)
        start, end = (torch.full((5,), y, device=device) for y in (0, 2))
        LabelMorph(Guidance(0.1, 3.0), end, U).x0(denoiser, x, Linear().level(0.5), start)
    assert waits.seen == []
