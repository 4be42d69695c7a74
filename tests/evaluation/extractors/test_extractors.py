import shutil
from pathlib import Path

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from diffusion_lightning.data import Digits
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.extractors import Classifier
from diffusion_lightning.evaluation.extractors.extract import extract, extractor_sha256
from diffusion_lightning.evaluation.extractors.loading import SHIPPED
from diffusion_lightning.hashing import file_sha256
from tests.support.configs import composed, of_images
from tests.support.images import Pixels, random_pixels

SMALL = {"image_channels": 1, "num_classes": 3, "widths": [4, 6]}


def shipped(name):
    return composed("evaluate", f"extractor={name}").extractor


@pytest.mark.parametrize("name", [p.stem for p in sorted(SHIPPED.glob("*.safetensors"))])
def test_shipped_weights_are_small_and_have_the_hash_of_their_config(name):
    file = SHIPPED / f"{name}.safetensors"
    assert file.stat().st_size < 5e6
    assert shipped(name).sha256 == file_sha256(file)


def test_the_digits_classifier_knows_digits():
    images, labels = Digits("", 1, 1, 8, 10).load(train=False)[torch.arange(297)]
    _, logits = extract(instantiate(shipped("digits")).eval(), images)
    assert (logits.argmax(1) == labels).double().mean() > 0.97


@pytest.mark.parametrize(
    ("name", "shape", "dim"), [("mnist", (1, 28, 28), 96), ("cifar10", (3, 32, 32), 320)]
)
def test_shipped_classifiers_tell_features_apart(name, shape, dim):
    """Random images, as no data set is available: the weights are loaded, and do not saturate."""
    features, logits = extract(instantiate(shipped(name)).eval(), random_pixels(20, shape))
    assert features.shape == (20, dim) and logits.shape == (20, 10)
    assert (features.std(0) > 0).float().mean() > 0.5


@pytest.mark.parametrize("name", of_images("extractor"))
def test_every_extractor_has_a_hash_in_its_config(name):
    cfg = shipped(name)
    assert OmegaConf.is_missing(cfg, "_target_") if name == "module" else len(cfg.sha256) == 64


def test_features_do_not_depend_on_the_batch():
    torch.manual_seed(0)
    extractor, pixels = Classifier(**SMALL).eval(), random_pixels(64 + 9, (1, 8, 8))
    features, logits = extract(extractor, pixels)
    parts = [extract(extractor, part) for part in pixels.split(5)]
    assert torch.cat([f for f, _ in parts]).equal(features)
    assert torch.cat([z for _, z in parts]).equal(logits)
    with torch.no_grad():
        torch.testing.assert_close(extractor(pixels)[0], features, rtol=1e-5, atol=1e-6)


def test_any_module_is_an_extractor():
    pixels = random_pixels(3)
    features, logits = extract(nn.Flatten(), pixels)
    assert features.equal(pixels.flatten(1).float()) and logits.shape == (3, 0)
    with pytest.raises(UserError, match="maps uint8 images"):
        extract(nn.Flatten(0), pixels)


def test_the_hash_is_of_class_and_weights():
    torch.manual_seed(0)
    one, same, other = Classifier(**SMALL), Classifier(**SMALL), Classifier(**SMALL)
    same.load_state_dict(one.state_dict())
    assert extractor_sha256(one) == extractor_sha256(same) != extractor_sha256(other)
    assert extractor_sha256(nn.Flatten()) != extractor_sha256(Pixels())


def test_wrong_weights_are_refused(tmp_path):
    cfg = shipped("digits")
    file = Path(shutil.copy(SHIPPED / "digits.safetensors", tmp_path / "w.safetensors"))
    instantiate(cfg, weights=str(file))
    for bad, message in ((b"", "not a safetensors"), (file.read_bytes()[:-9], "not a safetensors")):
        (tmp_path / "bad.safetensors").write_bytes(bad)
        with pytest.raises(UserError, match=message):
            Classifier(1, 10, [16, 32, 64], str(tmp_path / "bad.safetensors"))
        with pytest.raises(UserError, match="SHA-256"):
            Classifier(1, 10, [16, 32, 64], str(tmp_path / "bad.safetensors"), cfg.sha256)
    with pytest.raises(UserError, match="does not fit"):
        Classifier(1, 10, [16, 32], str(file))
    with pytest.raises(UserError, match="no file"):
        Classifier(1, 10, [16], "nowhere.safetensors")
