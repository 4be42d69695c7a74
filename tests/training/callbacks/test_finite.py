"""Losses and gradients that are not finite."""

import re
from functools import partial

import pytest
import torch
from lightning.pytorch import Callback

from diffusion_lightning.errors import UserError
from diffusion_lightning.training.callbacks import FiniteGuard
from tests.support.fitting import fit, module, weights
from tests.support.runs import differences, left_behind, train_in


class Spoil(Callback):
    """Multiplies the loss of one image by a value, at the given steps."""

    def __init__(self, *steps, value=float("nan"), image=5):
        self.steps, self.value, self.image = steps, value, image

    def setup(self, trainer, pl_module, stage):
        objective = pl_module.objective

        def spoilt(denoiser, x0, y, t, eps):
            losses = objective(denoiser, x0, y, t, eps)
            if trainer.training and trainer.global_step in self.steps:
                self.t = t[self.image]
                losses = torch.where(torch.arange(len(t)) == self.image, losses * self.value, losses)
            return losses

        spoilt.times = objective.times
        pl_module.objective = spoilt


class SkippingAdam(torch.optim.Adam):
    """Adam that ignores the gradient of its second and of its fourth step."""

    calls = 0

    def step(self, closure=None):
        closure()
        self.calls += 1
        if self.calls in (2, 4):
            self.zero_grad()
        return super().step()


def guard(folder, **options):
    return FiniteGuard(str(folder), **options)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_the_run_ends_before_the_weights_are_spoilt(value, tmp_path):
    clean, model, spoil = module(), module(), Spoil(3, value=value)
    fit(clean, limit_train_batches=3)
    with pytest.raises(UserError) as error:
        fit(model, [spoil, guard(tmp_path)])
    assert weights(model).equal(weights(clean))
    where = f"step 3: .* the loss of 1 of 64 images, at t from {spoil.t:.4g} to {spoil.t:.4g}"
    assert re.search(where, str(error.value))
    kept = torch.load(tmp_path / "non_finite.ckpt", weights_only=True)
    assert kept["global_step"] == 3
    state = {name: w for name, w in kept["state_dict"].items() if name.startswith("denoiser.")}
    assert all(w.equal(clean.state_dict()[name]) for name, w in state.items())


def test_a_gradient_may_be_infinite_where_the_loss_is_not(tmp_path):
    model = module()
    next(model.denoiser.parameters()).register_hook(lambda grad: grad * float("inf"))
    with pytest.raises(UserError, match=r"step 0.*every image's loss was finite"):
        fit(model, [guard(tmp_path)])


def test_steps_may_be_skipped_and_are_counted(tmp_path):
    """The weights are those of a run without these steps."""
    model, expected = module(), module()
    trainer = fit(model, [Spoil(1, 3), guard(tmp_path, max_skipped=2)])
    assert trainer.callback_metrics["train/skipped"] == 2 and trainer.global_step == 5
    expected.optimizer = partial(SkippingAdam, lr=1e-3)
    fit(expected)
    assert weights(model).equal(weights(expected))
    with pytest.raises(UserError, match="step 4"):
        fit(module(), [Spoil(1, 3, 4), guard(tmp_path, max_skipped=2)])


def test_steps_checked_together_are_found_before_a_checkpoint(tmp_path):
    with pytest.raises(UserError, match=r"step 2: .*found 2 steps later"):
        fit(module(), [Spoil(2), guard(tmp_path, every_n_steps=5)])
    with pytest.raises(UserError, match="step 2"):
        train_in(tmp_path / "run", "callbacks.finite.every_n_steps=50", callbacks=[Spoil(2)])
    kept = torch.load(tmp_path / "run" / "checkpoints" / "last.ckpt", weights_only=True)
    assert kept["global_step"] == 2 and all(w.isfinite().all() for w in kept["state_dict"].values())


def test_a_resumed_run_reaches_the_same_step_and_can_skip_it(tmp_path):
    for options in ([], ["resume=true"]):
        with pytest.raises(UserError, match="step 9"):
            train_in(tmp_path / "run", *options, callbacks=[Spoil(9)])
    train_in(tmp_path / "run", "resume=true", "callbacks.finite.max_skipped=1", callbacks=[Spoil(9)])
    train_in(tmp_path / "at once", "callbacks.finite.max_skipped=1", callbacks=[Spoil(9)])
    once, twice = left_behind(tmp_path / "at once"), left_behind(tmp_path / "run")
    assert differences(once, twice) == ["checkpoints"]  # the saved state is beside them


def test_overflow_in_bf16_names_the_precision(tmp_path):
    model = module()
    with torch.no_grad():
        for p in model.denoiser.parameters():
            p.add_(1e30)
    with pytest.raises(UserError, match=r"trainer.precision=32-true \(bf16-mixed now\)"):
        fit(model, [guard(tmp_path)], precision="bf16-mixed")


@pytest.mark.parametrize("option", ["max_skipped=-1", "every_n_steps=0"])
def test_bad_options(option, tmp_path):
    name, value = option.split("=")
    with pytest.raises(UserError, match=f"^{name}"):
        guard(tmp_path, **{name: int(value)})
