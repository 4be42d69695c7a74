import pytest
import torch
from torch import nn

from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.grids import Uniform
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.parameterizations import X0
from diffusion_lightning.diffusion.schedules import Linear
from diffusion_lightning.errors import UserError
from tests.support.networks import LabelValues

X, Y = torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 2])


def guided(scale, p_uncond=0.1, y=Y, t=0.5, **kwargs):
    denoiser = Denoiser(LabelValues(), Linear(), X0())
    x0 = Guidance(p_uncond, scale, **kwargs).x0(denoiser, X, Linear().level(t), y)
    return x0[:, 0, 0, 0], denoiser.network.batches


def test_one_is_conditional_and_zero_is_null():
    torch.testing.assert_close(guided(1.0)[0], torch.tensor([0.1, 0.2, 0.4]), rtol=0, atol=0)
    torch.testing.assert_close(guided(0.0)[0], torch.full((3,), -0.3), rtol=0, atol=0)
    assert torch.equal(guided(1.0)[0], guided(1.0, p_uncond=0.0)[0])
    assert torch.equal(guided(0.0)[0], guided(0.0, p_uncond=1.0)[0])


@pytest.mark.parametrize("scale", [-1.0, 0.5, 3.0])
def test_any_other_scale_extrapolates_in_one_forward(scale):
    x0, batches = guided(scale)
    torch.testing.assert_close(x0, -0.3 + scale * (torch.tensor([0.1, 0.2, 0.4]) + 0.3))
    assert batches == [6]


def test_zero_and_one_skip_the_other_half():
    assert guided(0.0)[1] == guided(1.0)[1] == [3]


@pytest.mark.parametrize(
    ("t", "inside"), [(0.19, False), (0.2, True), (0.5, True), (0.7, True), (0.71, False)]
)
@pytest.mark.parametrize("scale", [0.0, 3.0])
def test_the_interval_guides_between_two_times_alone(t, inside, scale):
    x0, batches = guided(scale, t=t, interval=(0.2, 0.7))
    expected, expected_batches = guided(scale if inside else 1.0)
    assert torch.equal(x0, expected)
    assert batches == expected_batches


@pytest.mark.parametrize("steps", [10, 20, 30, 50, 100, 1000])
@pytest.mark.parametrize("t_start", [1.0, 0.7])
def test_a_typed_bound_of_the_interval_is_a_time_of_the_grid(steps, t_start):
    """For every pair of times i t_start/N, written as a person would."""
    times = [t_start * i / steps for i in range(1, steps + 1)]
    grid = Uniform()(Linear(), steps, t_start)
    for low in (1, steps // 5, steps // 3):
        for high in (steps // 2, 7 * steps // 10, steps):
            bounds = [round(times[low - 1], 12), round(times[high - 1], 12)]
            guided_steps = [t for t in grid if guided(3.0, t=t, interval=bounds)[1] == [6]]
            assert len(guided_steps) == high - low + 1


def test_the_interval_needs_labels_for_what_lies_outside():
    assert Guidance(0.1, 0.0, (0.2, 0.7)).uses_labels
    with pytest.raises(UserError, match="interval"):
        Guidance(1.0, 0.0, (0.2, 0.7))
    for bad in [(0.7, 0.2), (-0.1, 0.5), (0.1, 1.5), (0.5,)]:
        with pytest.raises(UserError, match="interval"):
            Guidance(0.1, 3.0, bad)


class Images(nn.Module):
    """Predicts a fixed image for each label."""

    num_classes = 3

    def forward(self, x_t, time, y):
        images = torch.randn(4, *x_t.shape[1:], generator=torch.Generator().manual_seed(0))
        return images[y]


def rescaled(phi, scale=4.0):
    denoiser, t = Denoiser(Images(), Linear(), X0()), Linear().level(0.5)
    x0 = Guidance(0.1, scale, rescale=phi).x0(denoiser, torch.zeros(3, 2, 4, 4), t, Y)
    return x0, Guidance(0.1, scale).x0(denoiser, torch.zeros(3, 2, 4, 4), t, Y), denoiser.x0(x0, t, Y)


def test_rescale_takes_the_contrast_of_each_image_back():
    full, guided_x0, conditional = rescaled(1.0)
    for image, plain, target in zip(full, guided_x0, conditional, strict=True):
        torch.testing.assert_close(image.std(), target.std())
        torch.testing.assert_close(image / image.std(), plain / plain.std())
    # Lin et al. 2024, eq. 16: a mixture of both
    torch.testing.assert_close(rescaled(0.7)[0], 0.7 * full + 0.3 * guided_x0)
    assert torch.equal(rescaled(0.0)[0], guided_x0)
    with pytest.raises(UserError, match="rescale"):
        Guidance(0.1, 2.0, rescale=1.5)


@pytest.mark.parametrize("p", [0.0, 0.1, 1.0])
def test_labels_are_dropped_as_often_as_asked(p):
    torch.manual_seed(0)
    y = torch.zeros(20_000, dtype=torch.long)
    guidance = Guidance(p, 1.0 if p < 1 else 0.0)
    dropped = guidance.drop_labels(y, torch.full_like(y, 3), torch.rand(len(y))) == 3
    assert dropped.float().mean().item() == pytest.approx(p, abs=0.01)


@pytest.mark.parametrize(
    ("p", "w"), [(1.0, 2.0), (0.0, 0.0), (0.0, 3.0), (-0.1, 1), (1.1, 0), (0.1, float("nan"))]
)
def test_refuses_what_was_never_trained(p, w):
    with pytest.raises(UserError, match=r"p_uncond|scale"):
        Guidance(p, w)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_labels_are_needed(scale):
    with pytest.raises(UserError, match="label"):
        guided(scale, y=None)
    with pytest.raises(UserError, match="3 images have 2 labels"):
        guided(scale, y=Y[:2])
