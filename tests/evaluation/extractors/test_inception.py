"""Inception against torch-fidelity and pytorch-fid, on weights that are random but fixed."""

import copy
import warnings

import pytest
import torch
from torch import nn

from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.extractors import Inception
from diffusion_lightning.evaluation.extractors.extract import extract
from diffusion_lightning.evaluation.metrics.fid import frechet_distance
from diffusion_lightning.hashing import file_sha256
from tests.support.accelerator import without_float64
from tests.support.images import random_pixels, statistics_of

fidelity = pytest.importorskip("torch_fidelity.feature_extractor_inceptionv3")
URL = "torch_fidelity.feature_extractor_inceptionv3.load_state_dict_from_url"


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A file of weights that keep the features near 1, in the published file's format."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(URL, lambda *_, **__: None)
        patch.setattr(fidelity.FeatureExtractorInceptionV3, "load_state_dict", lambda *_: None)
        network = fidelity.FeatureExtractorInceptionV3("x", ["2048"])
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            nn.init.kaiming_normal_(module.weight)
    file = tmp_path_factory.mktemp("inception") / "weights.pth"
    torch.save(network.state_dict(), file)
    return file


@pytest.fixture(scope="module")
def inception(weights):
    return Inception(str(weights), sha256=None).eval()


def test_features_are_torch_fidelitys_and_the_network_is_pytorch_fids(weights, inception, monkeypatch):
    from pytorch_fid import inception as pytorch_fid

    pixels = random_pixels(2, (3, 32, 32))
    with torch.no_grad():
        features, logits = inception(pixels)
    peer = fidelity.FeatureExtractorInceptionV3("x", ["2048", "logits_unbiased"], str(weights))
    expected = peer(pixels)
    assert features.equal(expected[0]) and logits.equal(expected[1])
    assert features.shape == (2, 2048) and logits.shape == (2, 1008) and features.std() > 0.01
    # pytorch-fid takes images in [-1, 1] and resizes them in its own way, so only the network is compared
    state = torch.load(weights, weights_only=True)
    monkeypatch.setattr(pytorch_fid, "load_state_dict_from_url", lambda *_, **__: state)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = pytorch_fid.InceptionV3([3], resize_input=False, normalize_input=False).eval()
    large = random_pixels(1, (3, 299, 299))
    with torch.no_grad():
        theirs = network((large.float() - 128) / 128)[0].flatten(1)
        torch.testing.assert_close(inception(large)[0], theirs, rtol=1e-4, atol=1e-4)


def test_grey_images_are_given_to_every_channel(inception):
    grey = random_pixels(1, (1, 28, 28))
    with torch.no_grad():
        assert inception(grey)[0].equal(inception(grey.repeat(1, 3, 1, 1))[0])


def test_only_the_published_weights_pass_unless_the_hash_is_given(weights):
    with pytest.raises(UserError, match="sha256=null"):
        Inception(str(weights))
    Inception(str(weights), sha256=file_sha256(weights))
    with pytest.raises(UserError, match="no file"):
        Inception("nowhere.pth")


def test_weights_cannot_run_code(tmp_path):
    from tests.support.evil import Evil

    file = tmp_path / "evil.pth"
    torch.save({"x": Evil()}, file)
    with pytest.raises(UserError, match="holds more than weights"):
        Inception(str(file), sha256=None)


class Images(torch.utils.data.Dataset):
    """Images in the form that torch-fidelity takes."""

    def __init__(self, pixels):
        self.pixels = pixels

    def __len__(self):
        return len(self.pixels)

    def __getitem__(self, i):
        return self.pixels[i]


def torch_fidelitys_fid(x, y, weights, layer):
    import torch_fidelity

    options = {"feature_layer_fid": layer, "feature_extractor_weights_path": str(weights), "cuda": False}
    options |= {"batch_size": 10, "verbose": False, "cache": False}
    values = torch_fidelity.calculate_metrics(input1=Images(x), input2=Images(y), fid=True, **options)
    return values["frechet_inception_distance"]


def mine(x, y, extractor):
    # Black images that fill up a batch cost as much as others
    features = [extract(extractor, pixels, batch_size=8)[0] for pixels in (x, y)]
    return frechet_distance(*map(statistics_of, features))


@pytest.mark.slow
def test_from_images_to_number_fid_is_torch_fidelitys(weights):
    """On the 64 features of Inception's first pooling."""

    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = fidelity.FeatureExtractorInceptionV3("x", ["64"], str(weights))

        def forward(self, pixels):
            return self.network(pixels)[0]

    x, y = random_pixels(12, (3, 32, 32)), random_pixels(16, (3, 32, 32), seed=1, high=200)
    theirs = torch_fidelitys_fid(x, y, weights, "64")
    assert mine(x, y, First()) == pytest.approx(theirs, abs=1e-3, rel=1e-3) and theirs > 0.1


def test_from_files_to_number_fid_is_pytorch_fids(weights, tmp_path, monkeypatch):
    from pytorch_fid import inception as pytorch_fid
    from pytorch_fid.fid_score import calculate_fid_given_paths
    from torchvision.io import write_png

    state = torch.load(weights, weights_only=True)
    monkeypatch.setattr(pytorch_fid, "load_state_dict_from_url", lambda *_, **__: state)

    class First(nn.Module):
        def __init__(self):
            super().__init__()
            self.network = pytorch_fid.InceptionV3([0])

        def forward(self, pixels):
            return self.network(pixels / 255)[0].mean((2, 3))

    sets = random_pixels(12, (3, 32, 32)), random_pixels(16, (3, 32, 32), seed=1, high=200)
    for name, pixels in zip("xy", sets, strict=True):
        (tmp_path / name).mkdir()
        for i, image in enumerate(pixels):
            write_png(image, str(tmp_path / name / f"{i}.png"))
    paths = [str(tmp_path / name) for name in "xy"]
    theirs = calculate_fid_given_paths(paths, batch_size=8, device="cpu", dims=64, num_workers=0)
    assert mine(*sets, First().eval()) == pytest.approx(theirs, abs=1e-3, rel=1e-3) and theirs > 0.1


@pytest.mark.slow
def test_from_images_to_number_on_all_2048_features(weights, inception):
    """Covariances of rank 11 and 15."""
    x, y = random_pixels(12, (3, 32, 32)), random_pixels(16, (3, 32, 32), seed=1, high=200)
    theirs = torch_fidelitys_fid(x, y, weights, "2048")
    assert mine(x, y, inception) == pytest.approx(theirs, rel=1e-3) and theirs > 0.1


@pytest.mark.slow
def test_a_device_without_float64_gives_the_same_features(inception):
    pixels = random_pixels(2, (3, 32, 32))
    expected = extract(inception, pixels, batch_size=2)
    with without_float64() as device:
        features, logits = extract(copy.deepcopy(inception).to(device), pixels, batch_size=2)
    assert features.equal(expected[0]) and logits.equal(expected[1])
