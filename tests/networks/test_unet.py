import pytest
import torch
from torch.nn.attention import SDPBackend

from diffusion_lightning.errors import UserError
from diffusion_lightning.networks import UNet
from diffusion_lightning.networks.blocks import Attention, Downsample, Norm, Upsample
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
    with pytest.raises(UserError, match=f"^{next(iter(bad))}"):
        UNet(1, 8, 0, **{"width": 8, "channel_mults": (1, 2), "num_res_blocks": 1} | bad)


def test_refuses_other_images_than_it_was_built_for():
    with pytest.raises(UserError, match=r"\(2, 1, 16, 16\).*\(B, 1, 8, 8\)"):
        tiny()(torch.zeros(2, 1, 16, 16), torch.ones(2), torch.zeros(2).long())


def test_refuses_heads_that_do_not_divide():
    with pytest.raises(UserError, match="num_heads"):
        UNet(1, 8, 0, 8, (1, 2), 1, num_heads=3)


def norms(net):
    return [m for m in net.modules() if isinstance(m, torch.nn.GroupNorm)]


@pytest.mark.parametrize("groups", [1, 4, 8])
def test_norm_groups_and_eps_are_one_constant_of_the_network(groups):
    net = UNet(1, 8, 0, 8, (1, 2, 4), 1, (4,), norm_groups=groups, norm_eps=1e-6)
    assert len(norms(net)) > 10
    assert {(m.num_groups, m.eps) for m in norms(net)} == {(groups, 1e-6)}


def test_norm_groups_are_no_more_than_the_channels_of_the_narrowest_level():
    assert {m.num_groups for m in norms(UNet(1, 8, 0, 8, (1, 2), 1, norm_groups=32))} == {8}


def test_without_norm_groups_each_layer_has_the_most_that_leave_a_multiple_of_4_channels():
    """What a checkpoint without the option means; such a network mixes groups of several sizes."""
    net = UNet(1, 8, 0, 48, (1, 2, 8), 1)
    counts = {m.num_channels: m.num_groups for m in norms(net)}
    assert counts == {c: max(g for g in (1, 2, 4, 8, 16, 32) if c % (4 * g) == 0) for c in counts}
    assert counts[48] == 4 and counts[384] == 32 and {m.eps for m in norms(net)} == {1e-5}


@pytest.mark.parametrize("groups", [4, 8])
def test_a_group_is_normalised_with_its_own_moments(groups):
    """Against the formula, in float64: (x - mean)/√(variance + ε) over each group of channels."""
    (norm, *_), eps = norms(UNet(1, 8, 0, 8, (1, 2), 1, norm_groups=groups, norm_eps=0.1)), 0.1
    x = torch.randn(2, 8, 4, 4)
    grouped = x.double().view(2, groups, -1)
    mean, variance = grouped.mean(-1, keepdim=True), grouped.var(-1, keepdim=True, correction=0)
    expected = ((grouped - mean) / (variance + eps).sqrt()).view_as(x)
    torch.testing.assert_close(norm(x).double(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("padding", [0, 1])
def test_downsampling_convolves_every_second_pixel_of_the_padded_image(padding):
    """Against the sum itself. With 0 the zeros are on the right and below alone, as in TensorFlow."""
    net = UNet(1, 8, 0, 8, (1, 2), 1, downsample_padding=padding)
    (down,) = [m for m in net.modules() if isinstance(m, Downsample)]
    x, shift = torch.randn(2, 8, 8, 8), 1 if padding else 0
    padded = torch.zeros(2, 8, 10, 10)
    padded[:, :, shift : shift + 8, shift : shift + 8] = x
    expected = torch.stack(
        [
            torch.stack(
                [
                    torch.einsum("bcij,ocij->bo", padded[..., r : r + 3, c : c + 3], down.weight)
                    for c in range(0, 8, 2)
                ],
                -1,
            )
            for r in range(0, 8, 2)
        ],
        -2,
    )
    torch.testing.assert_close(down(x), expected + down.bias.view(1, -1, 1, 1), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("height_width", [(1, 1), (2, 2), (5, 3)])
def test_upsampling_repeats_pixels_and_convolves(height_width):
    """Against both done one after the other, in float64, with the gradients of image, weight and bias."""
    up, x = Upsample(3).double(), torch.randn(2, 3, *height_width, dtype=torch.float64, requires_grad=True)
    repeated = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    expected = torch.nn.functional.conv2d(repeated, up.weight, up.bias, padding=1)
    torch.testing.assert_close(up(x), expected, rtol=1e-12, atol=1e-12)
    g, of = torch.randn_like(expected), (x, up.weight, up.bias)
    found, expected = (torch.autograd.grad(output, of, g) for output in (up(x), expected))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("height_width", [(8, 8), (16, 8)])
def test_a_network_of_patches_is_a_network_of_an_image_whose_pixels_are_patches(height_width):
    """The image of patches by index: channel (c, i, j) of its pixel (r, s) is x[c, 2r + i, 2s + j]."""
    net = perturb(UNet(3, height_width, 3, 8, (1, 2), 1, (2,), patch=2)).eval()
    half = [side // 2 for side in height_width]
    plain = UNet(12, half, 3, 8, (1, 2), 1, (2,)).eval()
    plain.load_state_dict(net.state_dict())
    x, t, y = torch.randn(2, 3, *height_width), torch.tensor([3.0, 500.0]), torch.tensor([0, 3])

    def patches(images):
        squares = [images[:, c, i::2, j::2] for c in range(3) for i in range(2) for j in range(2)]
        return torch.stack(squares, 1)

    torch.testing.assert_close(patches(net(x, t, y)), plain(patches(x), t, y), rtol=0, atol=0)


@pytest.mark.parametrize(("patch", "size"), [(2, 6), (4, 12), (3, 8)])
def test_refuses_a_side_that_patches_and_levels_do_not_divide(patch, size):
    with pytest.raises(UserError, match=f"patches of {patch}x{patch}.*multiple of {2 * patch}, not {size}"):
        UNet(1, size, 0, 8, (1, 2), 1, patch=patch)


@pytest.mark.parametrize(
    "bad",
    [{"norm_groups": 0}, {"norm_groups": 3}, {"norm_eps": 0.0}, {"downsample_padding": 2}, {"patch": 0}],
)
def test_refuses_bad_options_of_layers(bad):
    with pytest.raises(UserError, match=next(iter(bad))):
        UNet(1, 8, 0, 8, (1, 2), 1, **bad)


def test_on_a_gpu_attention_takes_a_fused_kernel(monkeypatch):
    """By the strides of what it is given; torch's choice is that of the CPU, which asks for the same."""
    given = []
    attention = torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional,
        "scaled_dot_product_attention",
        lambda q, k, v: given.append((q, k, v)) or attention(q, k, v),
    )
    layer, x = perturb(Attention(32, 2, Norm())), torch.randn(2, 32, 4, 4)
    with torch.no_grad():
        here = layer(x)
        monkeypatch.setattr(torch.Tensor, "is_cuda", property(lambda x: True))
        there = layer(x)
    choices = [torch._fused_sdp_choice(*parts) for parts in given]
    assert choices == [SDPBackend.MATH.value, SDPBackend.FLASH_ATTENTION.value]
    assert all(part.stride(-1) == 1 for part in given[1])
    torch.testing.assert_close(there, here)
