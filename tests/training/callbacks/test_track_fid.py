"""FID during training, on the digits."""

import copy

import pytest
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping, ModelCheckpoint

from diffusion_lightning.config.build import build_extractor
from diffusion_lightning.diffusion.clamp import Static
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.diffusion.samplers import DDIM
from diffusion_lightning.diffusion.sampling import Sampling
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.measure import ImageBlock, collect_statistics
from diffusion_lightning.evaluation.metrics.fid import frechet_distance
from diffusion_lightning.evaluation.reference import KEPT_FEATURES, split_statistics
from diffusion_lightning.evaluation.statistics import ImageStatistics
from diffusion_lightning.images import to_uint8
from diffusion_lightning.sampling.generate import generate_sharded
from diffusion_lightning.training.build import build_callbacks
from diffusion_lightning.training.callbacks import EMA, TrackFID
from tests.support.configs import composed
from tests.support.fitting import fit, module

SAMPLING = Sampling(DDIM(99), Guidance(1.0, 0.0), Static())


@pytest.fixture(scope="module")
def extractor():
    return build_extractor(composed("train"))


def callback(extractor, **options):
    return TrackFID(SAMPLING, extractor, DDIM(3), **{"num_images": 40, "batch_size": 16} | options)


class Keep(Callback):
    """Keeps the raw weights, which the average replaces at the end of training."""

    def on_train_epoch_end(self, trainer, pl_module):
        self.raw = copy.deepcopy(pl_module.denoiser).eval()


def fid_of(denoiser, extractor, reference):
    """FID of 40 images of DDIM with three steps, computed without the callback."""
    sampling = Sampling(DDIM(3), SAMPLING.guidance, SAMPLING.clamp)
    batches = generate_sharded(sampling, denoiser, None, 40, (1, 8, 8), 0, 16)
    blocks = (ImageBlock(to_uint8(x), y, n) for x, y, n, _ in batches)
    images = collect_statistics(blocks, 40, extractor)
    return frechet_distance(images.statistics, reference)


def test_is_that_of_the_averaged_weights_and_the_fast_sampler(extractor):
    fid, ema, keep = callback(extractor), EMA(decay=0.9), Keep()
    model = module()
    logged = fit(model, [ema, fid, keep]).callback_metrics
    averaged = model.denoiser.eval()
    assert float(logged["fid"]) == pytest.approx(fid_of(averaged, extractor, fid.reference), rel=1e-5)
    assert float(logged["fid"]) != pytest.approx(fid_of(keep.raw, extractor, fid.reference), rel=1e-3)
    assert float(logged["fid_floor"]) == pytest.approx(0.7137, abs=1e-3)  # as evaluate.py has it
    assert fid.reference.n == 1500 and logged["sample/images"] == 40 and logged["sample/seconds"] > 0


class Measured(Callback):
    """Keeps the epochs that were measured; a later callback sees what TrackFID has logged."""

    def __init__(self):
        self.epochs = []

    def on_train_epoch_end(self, trainer, pl_module):
        if trainer.callback_metrics["fid"] < torch.finfo().max:
            self.epochs.append(trainer.current_epoch)


def test_measures_every_n_epochs_and_at_the_end_and_can_be_monitored(extractor, tmp_path):
    measured = Measured()
    best = ModelCheckpoint(tmp_path, monitor="fid", mode="min", save_top_k=1, filename="{epoch}")
    stopping = EarlyStopping("fid", mode="min", patience=9)
    fid = callback(extractor, every_n_epochs=3)
    trainer = fit(
        module(),
        [fid, measured, best, stopping],
        max_epochs=5,
        limit_train_batches=2,
        enable_checkpointing=True,
    )
    assert measured.epochs == [2, 4] and trainer.current_epoch == 5
    assert best.best_model_score == min(best.best_model_score, trainer.callback_metrics["fid"])
    assert best.best_model_path.endswith(("epoch=2.ckpt", "epoch=4.ckpt"))
    assert stopping.best_score == best.best_model_score
    checkpoint = torch.load(best.best_model_path, weights_only=True)
    assert all(name.startswith("denoiser.") for name in checkpoint["state_dict"])
    assert "TrackFID" not in str(checkpoint["callbacks"].keys())


def test_images_are_measured_in_large_blocks_and_not_kept(extractor):
    fid, calls = callback(extractor), []
    trainer = fit(module(), [fid], limit_train_batches=1)
    assert trainer.callback_metrics["sample/images"] == 40
    assert not any(isinstance(value, ImageStatistics) and value.n == 40 for value in vars(fid).values())
    hook = extractor.register_forward_hook(lambda _, inputs, __: calls.append(inputs[0]))
    statistics = fid._draw(trainer, trainer.lightning_module)
    hook.remove()
    # Three blocks, the last one filled up, are measured together; the extractor fills up with black images
    blocks = [int(pixels.flatten(1).any(1).sum()) for pixels in calls]
    assert blocks == [48] and statistics.n == 40 and statistics.keep == KEPT_FEATURES


def test_a_time_budget_ends_the_drawing_and_says_so(extractor, caplog):
    fid = callback(extractor, max_seconds=1e-9)
    trainer = fit(module(), [fid], limit_train_batches=1, max_epochs=2)
    assert trainer.callback_metrics["sample/images"] == 16 == fid.num_images
    assert [r.levelname for r in caplog.records if "max_seconds" in r.message] == ["WARNING"]


def test_labels_are_drawn_in_turn(extractor):
    guided = Sampling(DDIM(99), Guidance(0.0, 1.0), Static())
    fid = TrackFID(guided, extractor, DDIM(2), num_images=12, batch_size=5)
    seen = []
    model = module(p_uncond=0.0)
    model.denoiser.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[2]))
    fit(model, [fid], limit_train_batches=0, limit_val_batches=0)
    fid.on_fit_start(model.trainer, model)
    fid._draw(model.trainer, model)
    assert torch.cat(seen[::2]).tolist()[:12] == [*range(10), 0, 1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["callbacks.fid.num_images=1"], "num_images"),
        (["callbacks.fid.every_n_epochs=0"], "every_n_epochs"),
        (["callbacks.fid.max_seconds=0"], "max_seconds"),
        (["callbacks=default", "callbacks.checkpoint.monitor=fid"], "callbacks=fid"),
        (["callbacks=default", "optimized_metric=kid"], "callbacks=fid"),
        (["extractor.weights=nowhere.safetensors"], "nowhere"),
    ],
)
def test_bad_options_are_one_clear_message(options, message, tmp_path):
    from hydra.core.hydra_config import HydraConfig

    from diffusion_lightning.commands.messages import user_message

    cfg = composed("train", "callbacks=fid", *options, f"paths.run_dir={tmp_path}")
    HydraConfig.instance().set_config(cfg)
    with pytest.raises(Exception) as caught:
        build_callbacks(cfg)
    assert isinstance(caught.value, UserError) or user_message(caught.value)
    assert message in user_message(caught.value)


def test_a_figure_that_means_nothing_is_not_logged_and_said_once(extractor, caplog, monkeypatch, tmp_path):
    """A test set of one image has no FID; forty images of 64 features have a doubtful one."""
    one = ImageStatistics(KEPT_FEATURES)
    one.update(torch.zeros(1, 1, 8, 8), torch.zeros(1), torch.ones(1, 64), torch.zeros(1, 10))
    monkeypatch.setattr(
        "diffusion_lightning.training.callbacks.fid.split_statistics",
        lambda *_: (split_statistics(*_)[0], one),
    )
    logged = fit(module(), [callback(extractor)], limit_train_batches=1, max_epochs=2).callback_metrics
    assert "fid_floor" not in logged and {"fid", "kid"} < logged.keys()
    warnings = [r.message for r in caplog.records if r.levelname == "WARNING" and r.message.startswith("fid")]
    assert len(warnings) == 2
    assert "40 images cannot span 64 features" in warnings[0]
    assert warnings[1].startswith("fid_floor is not logged: ") and "at least two images" in warnings[1]
