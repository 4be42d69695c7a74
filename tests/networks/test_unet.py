import pytest
import torch

from diffusion_lightning.errors import UserError
from diffusion_lightning.networks import UNet
from tests.support.networks import perturb


def tiny(channels=1, size=8, classes=3, mults=(1, 2)):
    torch.manual_seed(0)
    net = UNet(channels, size, classes, 8, mults, 1, (size // 2,))
    return net.eval()


def test_starts_at_zero():
    assert not tiny()(torch.randn(2, 1, 8, 8), torch.ones(2), torch.zeros(2).long()).any()


def test_cifar10_network_is_ddpms():
    net = UNet(3, 32, 0, 128, (1, 2, 2, 2), 2, (16,), dropout=0.1)
    label_rows = net.embedding.label.weight.numel()
    # 35,746,307 is the count of the released TensorFlow network
    assert sum(p.numel() for p in net.parameters()) - label_rows == 35_746_307


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
@pytest.mark.parametrize("size", [8, 12, 28])
def test_time_label_and_image_matter_and_rows_are_independent(channels, size):
    net, x = perturb(tiny(channels, size, mults=(1, 2, 2))), torch.randn(3, channels, size, size)
    t, y = torch.tensor([1.0, 500.0, 900.0]), torch.tensor([0, 1, 3])
    out = net(x, t, y)
    assert out.shape == x.shape
    torch.testing.assert_close(net(x[1:2], t[1:2], y[1:2]), out[1:2], rtol=1e-4, atol=1e-5)
    for changed in (net(x + 0.1, t, y), net(x, t + 9, y), net(x, t, (y + 1) % 4)):
        assert (changed - out).flatten(1).abs().amax(1).min() > 1e-6


def test_every_parameter_learns():
    net = perturb(tiny())
    net(torch.randn(4, 1, 8, 8), torch.arange(4.0), torch.arange(4)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in net.parameters())


@pytest.mark.parametrize("size", [6, 9, 0])
def test_refuses_a_side_that_cannot_be_halved(size):
    with pytest.raises(UserError, match="multiple of 4"):
        UNet(1, size, 0, 8, (1, 2, 2), 1)


@pytest.mark.parametrize("bad", [{"width": 7}, {"width": -8}, {"num_res_blocks": 0}, {"num_heads": 0}])
def test_refuses_bad_counts(bad):
    with pytest.raises(UserError, match=f"{next(iter(bad))} is"):
        UNet(1, 8, 0, **{"width": 8, "channel_mults": (1, 2), "num_res_blocks": 1} | bad)


def test_refuses_other_images_than_it_was_built_for():
    with pytest.raises(UserError, match=r"\(2, 1, 16, 16\).*\(B, 1, 8, 8\)"):
        tiny()(torch.zeros(2, 1, 16, 16), torch.ones(2), torch.zeros(2).long())


def test_refuses_heads_that_do_not_divide():
    with pytest.raises(UserError, match="num_heads"):
        UNet(1, 8, 0, 8, (1, 2), 1, num_heads=3)
