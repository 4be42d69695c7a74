import pytest
import torch
from torch.nn import functional as F

from diffusion_lightning.diffusion.objectives import MinSNR, SimpleMSE
from diffusion_lightning.diffusion.parameterizations import X0, Eps, V
from diffusion_lightning.diffusion.schedules import Cosine
from diffusion_lightning.errors import UserError

T = torch.tensor([0.01, 0.3, 0.6, 1.0])
ALPHA, SIGMA = Cosine().alpha(T), Cosine().sigma(T)
SNR = ALPHA**2 / SIGMA**2


@pytest.mark.parametrize(
    ("p", "expected"),
    [
        (Eps(), SNR.clamp(max=5) / SNR),
        (X0(), SNR.clamp(max=5)),
        (V(), SNR.clamp(max=5) / (SNR + 1)),
    ],
)
def test_min_snr_is_the_papers(p, expected):
    torch.testing.assert_close(MinSNR(5.0).weight(ALPHA, SIGMA, p), expected)


def test_simple_is_the_mean_squared_error():
    output, target = torch.randn(4, 1, 3, 3), torch.randn(4, 1, 3, 3)
    scale = torch.ones(4, 1, 1, 1)
    loss = SimpleMSE()(output, target, scale, scale, Eps())
    assert loss.shape == (4,)
    torch.testing.assert_close(loss.mean(), F.mse_loss(output, target))


def test_refuses_a_bad_gamma():
    with pytest.raises(UserError, match="gamma"):
        MinSNR(0)
