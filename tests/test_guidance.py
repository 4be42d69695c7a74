import pytest
import torch
from torch import nn

from diffusion_lightning.denoiser import Denoiser
from diffusion_lightning.errors import UserError
from diffusion_lightning.guidance import Guidance
from diffusion_lightning.parameterizations import X0
from diffusion_lightning.schedules import Linear


class Network(nn.Module):
    """Predicts the label's value everywhere; counts its calls."""

    num_classes = 3

    def __init__(self):
        super().__init__()
        self.values = torch.tensor([0.1, 0.2, 0.4, -0.3])
        self.batches = []

    def forward(self, x_t, time, y):
        self.batches.append(len(x_t))
        return self.values[y].view(-1, 1, 1, 1) * torch.ones_like(x_t)


X, Y = torch.zeros(3, 1, 2, 2), torch.tensor([0, 1, 2])


def guided(scale, p_uncond=0.1, y=Y):
    denoiser = Denoiser(Network(), Linear(), X0())
    return Guidance(p_uncond, scale).x0(denoiser, X, 0.5, y)[:, 0, 0, 0], denoiser.network.batches


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


@pytest.mark.parametrize("p", [0.0, 0.1, 1.0])
def test_labels_are_dropped_as_often_as_asked(p):
    torch.manual_seed(0)
    y = torch.zeros(20_000, dtype=torch.long)
    dropped = Guidance(p, 1.0 if p < 1 else 0.0).drop_labels(y, torch.full_like(y, 3)) == 3
    assert dropped.float().mean().item() == pytest.approx(p, abs=0.01)


@pytest.mark.parametrize(
    ("p", "w"), [(1.0, 2.0), (0.0, 0.0), (0.0, 3.0), (-0.1, 1), (1.1, 0), (0.1, float("nan"))]
)
def test_refuses_what_was_never_trained(p, w):
    with pytest.raises(UserError, match="guidance"):
        Guidance(p, w)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_labels_are_needed(scale):
    with pytest.raises(UserError, match="label"):
        guided(scale, y=None)
