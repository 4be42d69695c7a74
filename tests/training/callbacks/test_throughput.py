"""The GPU is waited for where something is logged or shown, and in no other step."""

from types import SimpleNamespace

import torch

from diffusion_lightning.training.build import build_callbacks
from diffusion_lightning.training.callbacks import Throughput, throughput
from tests.support.accelerator import Waits, without_float64
from tests.support.configs import composed
from tests.support.fitting import fit, module
from tests.support.runs import WaitsOfBatches, train_in

OPTIONS = ["speed.precision=32-true", "guidance=cfg", "trainer.log_every_n_steps=4"]
OPTIONS += [
    "trainer.max_epochs=1",
    "trainer.limit_train_batches=12",
    "callbacks.last.every_n_steps=null",
    "callbacks.sample_grid=null",
]


def test_no_step_waits_but_those_that_are_logged_or_shown(tmp_path, monkeypatch):
    """Every fourth step is logged, every fifth shown, and the last one ends the run."""
    monkeypatch.setattr(throughput, "watched", lambda stream: True)
    waits = WaitsOfBatches(Waits())
    with without_float64(), waits.mode:
        train_in(tmp_path, *OPTIONS, "trainer.enable_progress_bar=true", callbacks=[waits, Throughput(5)])
    assert {batch for batch, seen in enumerate(waits.of_batches()) if seen} == {3, 4, 7, 9, 11}


def test_the_bar_shows_the_latest_loss():
    trainer = SimpleNamespace(
        loggers=[],
        progress_bar_metrics={"val/loss": 0.25},
        logged_metrics={"train/loss": torch.tensor(0.5), "lr-Adam": torch.tensor(1e-3)},
    )
    assert Throughput().get_metrics(trainer, None) == {"train/loss": 0.5, "val/loss": 0.25}
    trainer.logged_metrics = {}
    assert Throughput().get_metrics(trainer, None) == {"val/loss": 0.25}


def test_the_rate_is_measured_and_may_be_optimized(tmp_path):
    done = fit(module(), [Throughput()], enable_progress_bar=True, log_every_n_steps=1)
    assert set(Throughput.measures) <= done.callback_metrics.keys()
    options = "optimized_metric=train/images_per_second", f"paths.run_dir={tmp_path}"
    assert build_callbacks(composed("train", *options))
