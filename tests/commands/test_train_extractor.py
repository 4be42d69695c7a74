"""Extractors as they are trained: on the digits that need no download."""

import re

import pytest
import torch
from hydra.utils import instantiate

from diffusion_lightning.commands.train_extractor import train
from diffusion_lightning.data import Digits
from diffusion_lightning.errors import UserError
from diffusion_lightning.hashing import file_sha256
from diffusion_lightning.training.classifier import GREY, accuracy, cut_out, shifted
from tests.support.configs import composed
from tests.support.images import random_pixels

NETWORK = {"_target_": "diffusion_lightning.ResNet", "image_channels": 1, "num_classes": 10}


def config(out, *overrides):
    cfg = composed("train_extractor", "dataset=digits", f"out={out}", *overrides)
    del cfg.hydra
    return cfg


@pytest.mark.slow
def test_a_residual_network_learns_digits_and_its_file_is_as_good_as_reported(tmp_path, caplog):
    cfg = config(tmp_path / "w.safetensors", "recipe=sgd", "epochs=15", "dataset.batch_size=50")
    cfg.extractor = NETWORK | {"widths": [32, 64]}
    cfg.dataset.flip = False
    with caplog.at_level("INFO", "train_extractor"):
        file = train(cfg)
    found = re.search(r"([\d.]+) % of the test images are classified correctly, sha256: (\w+)", caplog.text)
    assert found and found[2] == file_sha256(file)
    extractor = instantiate(cfg.extractor, weights=str(file), sha256=found[2]).eval()
    right = accuracy(extractor, Digits("", 1, 1, 8, 10).load(train=False))
    assert 100 * right == pytest.approx(float(found[1]), abs=0.005) and right > 0.9
    # Half precision: two bytes for each weight, and a header
    assert file.stat().st_size < 2.2 * sum(v.numel() for v in extractor.state_dict().values()) + 4000
    with pytest.raises(UserError, match="overwrite=true"):
        train(cfg)


def test_shifts_go_both_ways_and_are_no_larger_than_said():
    torch.manual_seed(0)
    pixels = random_pixels(1, (3, 8, 8), low=1).expand(500, -1, -1, -1)
    moved = shifted(pixels, 0.25)
    assert moved.shape == pixels.shape
    candidates = {}
    for i in range(-2, 3):
        for j in range(-2, 3):
            expected = torch.zeros(3, 8, 8, dtype=torch.uint8)
            rows, columns = (slice(max(0, k), 8 + min(0, k)) for k in (i, j))
            from_rows, from_columns = (slice(max(0, -k), 8 + min(0, -k)) for k in (i, j))
            expected[:, rows, columns] = pixels[0, :, from_rows, from_columns]
            candidates[i, j] = sum(bool(image.equal(expected)) for image in moved)
    assert sum(candidates.values()) == 500 and min(candidates.values()) > 0


def test_a_square_of_every_image_is_hidden_wherever_it_lies():
    torch.manual_seed(0)
    pixels = random_pixels(500, (3, 8, 12), low=200)
    hidden = cut_out(pixels, 0.5)
    hole = (hidden == GREY).all(1)
    assert hidden.movedim(1, -1)[~hole].equal(pixels.movedim(1, -1)[~hole])
    rows, columns = hole.any(2).sum(1), hole.any(1).sum(1)
    assert hole.sum((1, 2)).equal(rows * columns)  # a rectangle
    assert set(rows.tolist()) == set(columns.tolist()) == {2, 3, 4}  # less at the edges
    assert hole.float().mean(0).min() > 0
