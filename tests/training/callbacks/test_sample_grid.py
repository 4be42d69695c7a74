"""Grids of samples during training, and FID, of models that overflow too."""

import logging

import pytest
import torch
from torchvision.io import read_image

from diffusion_lightning.config.build import build_extractor
from diffusion_lightning.diffusion.clamp import NoClamp, Static
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.samplers import DDIM
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.training.callbacks import SampleGrid, TrackFID
from tests.support.configs import composed
from tests.support.fitting import fit, module, weights

OVERFLOWS = Sampling(DDIM(4), Guidance(0.1, 1e38), NoClamp())


@pytest.mark.parametrize("kind", ["samples", "fid"])
def test_a_walk_that_overflows_is_a_warning_and_training_goes_on(kind, tmp_path, caplog):
    if kind == "samples":
        callback = SampleGrid(OVERFLOWS, str(tmp_path), num_images=4, every_n_steps=2)
    else:
        callback = TrackFID(OVERFLOWS, build_extractor(composed("train")), DDIM(4), num_images=4)
    model = module(p_uncond=0.1)
    with caplog.at_level(logging.WARNING):
        trainer = fit(model, [callback], max_epochs=2, limit_train_batches=4)
    warnings = [record.getMessage() for record in caplog.records if " of step " in record.getMessage()]
    steps = [2, 4, 6, 8] if kind == "samples" else [4, 8]
    for step, warning in zip(steps, warnings, strict=True):
        assert warning.startswith(f"no {kind} of step {step}: DDIM, step ") and "\n" not in warning
    assert trainer.global_step == 8 and not list(tmp_path.iterdir())
    # What is monitored is the worst of figures, as before the first was measured
    assert kind == "samples" or trainer.callback_metrics["fid"] == torch.finfo().max
    alone = module(p_uncond=0.1)
    fit(alone, max_epochs=2, limit_train_batches=4)
    assert torch.equal(weights(model), weights(alone))


def grid(folder, p_uncond, **options):
    guidance = Guidance(p_uncond, 0.0 if p_uncond == 1 else 1.0)
    callback = SampleGrid(Sampling(DDIM(2), guidance, Static()), str(folder), num_images=20, **options)
    fit(module(p_uncond), [callback], limit_train_batches=1, limit_val_batches=0)
    (path,) = folder.iterdir()
    return read_image(str(path))


def test_classes_are_named_above_the_very_pixels(tmp_path):
    bare = grid(tmp_path / "bare", 0.1, captions=False)
    named = grid(tmp_path / "named", 0.1)
    top = named.shape[1] - bare.shape[1]
    assert top > 10 and named[:, top:].equal(bare)
    assert all(int(named[:, :top, i * 49 : (i + 1) * 49].amin()) < 80 for i in range(10))


def test_unconditional_images_have_no_class(tmp_path):
    assert torch.equal(grid(tmp_path / "a", 1.0), grid(tmp_path / "b", 1.0, captions=False))
