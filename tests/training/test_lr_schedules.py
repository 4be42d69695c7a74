import math

import pytest
import torch

from diffusion_lightning.errors import UserError
from diffusion_lightning.training.lr_schedules import Constant, CosineDecay, StableDecay
from tests.support.runs import Watch, train_in


def rates(folder, *options):
    """The learning rate of every optimizer step of a run of 12 steps."""
    seen = []

    class Rates(Watch):
        def on_before_optimizer_step(self, trainer, pl_module, optimizer):
            seen.append(optimizer.param_groups[0]["lr"])

    limits = "trainer.max_epochs=4", "trainer.limit_train_batches=3", "optimizer.lr=1.0", "warmup_images=0"
    train_in(folder, *limits, *options, callbacks=[Rates(0, lambda: None)])
    return seen


def test_cosine_is_the_schedulers_of_torch():
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = torch.optim.SGD([weight], lr=1.0)
    peer = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=50, eta_min=0.1)
    for step in range(51):
        assert CosineDecay(0.1)(step / 50) == pytest.approx(peer.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        peer.step()


def test_stable_decay_stays_and_then_falls_with_the_root():
    schedule = StableDecay(0.25)
    assert [schedule(p) for p in (0.0, 0.5, 0.75)] == [1, 1, 1] and Constant()(0.9) == 1
    assert schedule(0.75 + 0.25 * 0.36) == pytest.approx(1 - 0.6) and schedule(1.0) == 0
    assert StableDecay(0.0)(1.0) == 1


@pytest.mark.slow
def test_a_run_follows_its_schedule(tmp_path):
    steps = [i / 12 for i in range(12)]
    assert rates(tmp_path / "a", "lr_schedule=cosine") == pytest.approx(
        [(1 + math.cos(math.pi * p)) / 2 for p in steps]
    )
    assert rates(tmp_path / "b", "lr_schedule=wsd", "lr_schedule.decay=0.5") == pytest.approx(
        [1 if p <= 0.5 else 1 - math.sqrt(2 * (p - 0.5)) for p in steps]
    )


def test_a_run_without_end_has_no_schedule_of_its_length(tmp_path):
    endless = "trainer.max_epochs=-1", "+trainer.max_time=00:00:00:05"
    with pytest.raises(UserError, match="lr_schedule=constant"):
        train_in(tmp_path, *endless, "lr_schedule=cosine")


@pytest.mark.parametrize("make", [lambda: CosineDecay(1.5), lambda: StableDecay(-0.1)])
def test_refuses_what_is_no_fraction(make):
    with pytest.raises(UserError, match="between 0 and 1"):
        make()
