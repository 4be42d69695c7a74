import pytest
import torch
from torch import nn

from diffusion_lightning.diffusion.clamp import NoClamp
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.grids import Uniform
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.noise import ImageNoise
from diffusion_lightning.diffusion.parameterizations import X0
from diffusion_lightning.diffusion.samplers import DDIM, DDPM, DPMSolverPP, Heun
from diffusion_lightning.diffusion.sampling_model import SamplingModel
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from diffusion_lightning.errors import UserError
from tests.support.networks import LabelValues
from tests.support.oracles import GaussianOracle, normal, sampling_model

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
            guidance = Guidance(0.1, 3.0, bounds)
            assert sum(guidance.scale_at(t) == 3.0 for t in grid) == high - low + 1


def test_the_interval_needs_labels_for_what_lies_outside():
    assert Guidance(0.1, 0.0, (0.2, 0.7)).uses_labels
    with pytest.raises(UserError, match="interval"):
        Guidance(1.0, 0.0, (0.2, 0.7))
    for bad in [(0.7, 0.2), (-0.1, 0.5), (0.1, 1.5), (0.5,)]:
        with pytest.raises(UserError, match="interval"):
            Guidance(0.1, 3.0, bad)


@pytest.mark.parametrize("scale", [-1.0, 0.0, 0.5, 1.0, 3.0])
def test_away_from_the_null_label_is_ordinary_guidance(scale):
    assert torch.equal(guided(scale, away=3)[0], guided(scale)[0])
    assert guided(scale, away=3)[1] == guided(scale)[1]


@pytest.mark.parametrize("scale", [-1.0, 0.0, 0.5, 1.0, 3.0])
@pytest.mark.parametrize("p_uncond", [0.0, 0.1])
def test_away_from_a_class_its_x0_takes_the_place_of_the_null_labels(scale, p_uncond):
    x0, batches = guided(scale, p_uncond, away=1)  # which no null label is needed for
    torch.testing.assert_close(x0, 0.2 + scale * (torch.tensor([0.1, 0.2, 0.4]) - 0.2))
    assert batches == [3 if scale in (0, 1) else 6]


def test_the_profile_says_how_much_of_the_guidance_there_is():
    points = [[0.2, 0.0], [0.4, 1.0], [0.8, 0.5]]
    expected = {0.1: 1.0, 0.2: 1.0, 0.3: 2.0, 0.4: 3.0, 0.6: 2.5, 0.8: 2.0, 1.0: 2.0}
    for t, w in expected.items():
        torch.testing.assert_close(guided(3.0, t=t, profile=points)[0], guided(w)[0])
    assert guided(3.0, t=0.2, profile=points)[1] == [3]
    # Within an interval, and with the contrast taken back
    torch.testing.assert_close(guided(3.0, t=0.6, profile=points, interval=(0.5, 1))[0], guided(2.5)[0])
    torch.testing.assert_close(guided(3.0, t=0.4, profile=points, interval=(0.5, 1))[0], guided(1.0)[0])
    assert torch.equal(guided(3.0, profile=[[0, 1]])[0], guided(3.0)[0])
    for scale in (0.0, 2.0):
        assert Guidance(0.1, scale, profile=points).uses_labels


class Classes(GaussianOracle):
    """A Gaussian for each label, the last for the null label; x0 is linear in its mean, as guidance is."""

    means = torch.tensor([0.5, -0.3, 0.1], dtype=torch.float64)

    def null(self, y):
        return torch.full_like(y, 2)

    def x0(self, x_t, t, y):
        of_zero = GaussianOracle(self.schedule, 0.0, self.std).x0(x_t, t, y)
        of_one = GaussianOracle(self.schedule, 1.0, self.std).x0(x_t, t, y)
        mean = self.means[torch.full((len(x_t),), 2) if y is None else y].view(-1, 1, 1, 1)
        return of_zero + mean * (of_one - of_zero)


@pytest.mark.parametrize("sampler", [DDIM(9), DDPM(9), Heun(9), DPMSolverPP(9, 3)], ids=repr)
@pytest.mark.parametrize("away", [None, 1])
@pytest.mark.parametrize("profile", [None, ((0, 1), (1, 1))])
def test_guided_walks_of_gaussians_are_those_of_another_gaussian(sampler, away, profile):
    """With mean m_other + w (m_y - m_other)."""
    w, m = 2.5, Classes.means
    other = m[2 if away is None else away].item()
    model = SamplingModel(
        Classes(Cosine()), Guidance(0.1, w, profile=profile, away=away), NoClamp(), torch.zeros(4).long()
    )
    expected = sampling_model(GaussianOracle(Cosine(), other + w * (m[0].item() - other)))
    walks = [
        sampler(seen, normal(4, 1, 4, 4), noise=ImageNoise(0, range(4), (1, 4, 4)))
        for seen in (model, expected)
    ]
    torch.testing.assert_close(*walks, rtol=0, atol=1e-9)


@pytest.mark.parametrize(
    "profile",
    [(), [[0, 1], [0, 2]], [[0.5, 1], [0.2, 1]], [[-0.1, 1]], [[0, 1, 2]], [0, 1], [[0, float("inf")]]],
)
def test_refuses_a_profile_that_is_none(profile):
    with pytest.raises(UserError, match="profile is"):
        Guidance(0.1, 3.0, profile=profile)


def test_an_unconditional_model_has_neither_profile_nor_classes():
    for option in ({"away": 1}, {"profile": [[0, 1]]}):
        with pytest.raises(UserError, match="profile and away need class labels"):
            Guidance(1.0, 0.0, **option)


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


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"p_uncond": 1.0, "scale": 0.0}, "unconditional"),
        ({"scale": 3.0}, "w = 3"),
        ({"scale": 5.0, "interval": [0, 0.7]}, "w = 5 for t in [0, 0.7]"),
        ({"scale": 5.0, "interval": [0.1, 0.7], "rescale": 0.7}, "w = 5 for t in [0.1, 0.7], rescale = 0.7"),
        (
            {"scale": 2.0, "profile": [[0, 0], [1, 1]], "away": 0},
            "w = 2, profile = [[0, 0], [1, 1]], away = 0",
        ),
    ],
)
def test_pictures_say_all_of_guidance_that_is_on(options, said):
    assert str(Guidance(**{"p_uncond": 0.1} | options)) == said
