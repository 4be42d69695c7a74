import pytest
import torch
from safetensors.torch import save_file
from torch.nn.functional import gelu, max_pool2d

from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.extractors import ResNet
from diffusion_lightning.evaluation.extractors.resnet import ResidualStage
from diffusion_lightning.images import from_uint8
from tests.support.images import random_pixels

SMALL = {"image_channels": 3, "num_classes": 5, "widths": [4, 6]}


def correlated_pixels(n):
    """Images whose neighbouring pixels and channels go together, as in photographs."""
    noise = random_pixels(n, (3, 12, 12)).double()
    blurred = torch.nn.functional.avg_pool2d(noise, 3, stride=1) + 0.5 * noise[:, :1, 1:-1, 1:-1]
    return (blurred / 1.5).round().to(torch.uint8)


def random_resnet():
    torch.manual_seed(0)
    resnet = ResNet(**SMALL)
    resnet.whiten(correlated_pixels(50))
    return resnet


def test_whitened_patches_are_uncorrelated_and_of_unit_variance():
    pixels, resnet = correlated_pixels(500), ResNet(**SMALL)
    resnet.whiten(pixels, eps=0)
    with torch.no_grad():
        outputs = resnet.whitening(from_uint8(pixels)).transpose(0, 1).flatten(1).double()
    half = len(outputs) // 2
    assert half == 3 * 2 * 2
    torch.testing.assert_close(outputs[:half].cov(), torch.eye(half).double(), atol=1e-3, rtol=0)
    torch.testing.assert_close(outputs.mean(1), torch.zeros(2 * half).double(), atol=1e-3, rtol=0)
    torch.testing.assert_close(outputs[half:], -outputs[:half], atol=1e-4, rtol=0)


def test_what_hardly_varies_is_not_blown_up():
    """Grey images have no variance in colour: √eps bounds the gain."""
    resnet = ResNet(**SMALL)
    resnet.whiten(correlated_pixels(50)[:, :1].expand(-1, 3, -1, -1), eps=5e-4)
    assert resnet.whitening.weight.flatten(1).norm(dim=1).max() <= 5e-4**-0.5 * (1 + 1e-5)


def test_the_whitening_layer_is_not_trained():
    resnet = random_resnet()
    features, logits = resnet(random_pixels(4, (3, 8, 8)))
    (features.sum() + logits.sum()).backward()
    assert {name for name, p in resnet.named_parameters() if p.grad is None} == {
        "whitening.weight",
        "whitening.bias",
    }


def test_a_stage_is_its_equation():
    torch.manual_seed(0)
    stage, x = ResidualStage(3, 4).eval(), torch.randn(2, 3, 6, 6)
    with torch.no_grad():
        h = gelu(stage.norm1(max_pool2d(stage.conv1(x), 2)))
        assert h.shape == (2, 4, 3, 3)
        assert stage(x).equal(h + gelu(stage.norm2(stage.conv2(h))))
        stage.norm2.weight.zero_()
        assert stage(x).equal(h)


def test_mirror_images_are_one_to_evaluation_and_two_to_training():
    resnet, pixels = random_resnet(), random_pixels(4, (3, 8, 8))
    with torch.no_grad():
        for mirrored, output in zip(resnet(pixels.flip(3)), resnet(pixels), strict=True):
            assert not mirrored.allclose(output, atol=1e-3)
        resnet.eval()
        for mirrored, output in zip(resnet(pixels.flip(3)), resnet(pixels), strict=True):
            torch.testing.assert_close(mirrored, output)


def test_logits_are_of_the_features():
    resnet = random_resnet().eval()
    with torch.no_grad():
        features, logits = resnet(random_pixels(4, (3, 8, 8)))
        assert features.shape == (4, 6)
        torch.testing.assert_close(8 * logits, features @ resnet.head.weight.T + resnet.head.bias)


def test_weights_in_half_precision_are_computed_with_in_float32(tmp_path):
    resnet, file = random_resnet(), str(tmp_path / "half.safetensors")
    weights = {k: v.half() if v.is_floating_point() else v for k, v in resnet.state_dict().items()}
    save_file(weights, file)
    loaded = ResNet(**SMALL, weights=file).state_dict()
    for name, value in loaded.items():
        assert value.dtype in (torch.float32, torch.int64) and value.equal(weights[name].to(value.dtype))


def test_grey_images_are_refused():
    with pytest.raises(UserError, match="3 channels, not 1"):
        ResNet(**SMALL)(random_pixels(1, (1, 8, 8)))
