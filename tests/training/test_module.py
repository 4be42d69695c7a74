import pytest
import torch
from lightning.pytorch import Callback
from torch import nn

from diffusion_lightning.training.module import _lay_out_gradients_as_weights, _with_strides
from tests.support.fitting import fit, module, weights


def test_the_loss_is_ddpms():
    model = module()
    x0, eps = torch.randn(4, 1, 8, 8), torch.randn(4, 1, 8, 8)
    t = torch.tensor([0.001, 0.3, 0.7, 1.0], dtype=torch.float64)
    # A network that says 0 errs by ε itself
    expected = eps.square().flatten(1).mean(1)
    y = torch.zeros(4).long()
    torch.testing.assert_close(model.objective(model.denoiser, x0, y, t, eps), expected)


def test_a_run_is_a_function_of_its_seed():
    runs = []
    for seed, disturbance in ((0, 1), (0, 2), (1, 1)):
        model = module(seed=seed)
        torch.manual_seed(disturbance)
        fit(model)
        runs.append(weights(model))
    assert runs[0].equal(runs[1]) and not runs[0].equal(runs[2])


def test_validation_noise_is_fixed():
    model, losses = module(), []
    trainer = fit(model)
    for seed in (1, 2):
        torch.manual_seed(seed)
        losses += trainer.validate(model, trainer.datamodule, verbose=False)
    assert losses[0] == losses[1] and losses[0]["val/loss"] > 0


def test_measures_are_the_names_that_it_logs():
    model = module()
    assert fit(model).callback_metrics.keys() == set(model.measures)


def test_warm_up_counts_images():
    model = module(warmup_images=640)
    trainer = fit(model, limit_train_batches=5)
    # 5 steps of 64 images are done; the next is the sixth of ten
    assert trainer.lr_scheduler_configs[0].scheduler.get_last_lr() == [pytest.approx(1e-3 * 6 / 10)]


class Count(Callback):
    """Counts each step's images as they come, and keeps the learning rate that the step is taken with."""

    def __init__(self):
        self.waiting, self.seen, self.rates = 0, [0], []

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.waiting += len(batch[0])

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.rates.append(optimizer.param_groups[0]["lr"])

    def on_train_batch_end(self, trainer, pl_module, *args):
        if trainer.global_step == len(self.seen):
            self.seen.append(self.seen[-1] + self.waiting)
            self.waiting = 0
        assert pl_module.images_seen == self.seen[-1]


@pytest.mark.parametrize(
    ("images", "options"),
    [
        ([256, 256, 256, 256, 256, 192], {"accumulate_grad_batches": 4}),
        ([192, 128], {"accumulate_grad_batches": 3, "limit_train_batches": 5}),
        ([128], {"accumulate_grad_batches": 4, "limit_train_batches": 2}),
        ([256, 128], {"accumulate_grad_batches": 4, "limit_train_batches": 0.3}),
        ([1500], {"batch_size": 2000}),
        ([1500], {"batch_size": 2000, "accumulate_grad_batches": 4}),
        ([128, 64], {"accumulate_grad_batches": 2, "overfit_batches": 3}),
        ([64, 64], {"limit_train_batches": 2}),
    ],
    ids=str,
)
def test_images_are_counted_and_the_warm_up_goes_by_the_count(images, options):
    """Of two epochs; a window that an epoch's end cuts short has the images that it has."""
    count, warmup = Count(), 3 * sum(images)
    whole = {"limit_train_batches": None, "limit_val_batches": 1, "max_epochs": 2}
    fit(module(warmup_images=warmup), [count], **whole | options)
    assert count.seen == [sum((2 * images)[:n]) for n in range(2 * len(images) + 1)]
    expected = [1e-3 * min(1, n / warmup) for n in count.seen[1:]]
    assert count.rates == pytest.approx(expected, rel=1e-9)


def test_gradients_are_clipped_in_mixed_precision_with_a_fused_optimizer():
    model = module()
    model.optimizer = lambda p: torch.optim.SGD(p, lr=1.0, fused=True)
    before = weights(model)
    fit(model, precision="bf16-mixed", gradient_clip_val=1e-3, limit_train_batches=1)
    assert (weights(model) - before).norm().item() == pytest.approx(1e-3, rel=0.01)


class Norms(Callback):
    """Keeps the norm of each step's gradient, and the one that is logged."""

    def __init__(self):
        self.expected, self.logged = [], []

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        gradients = [p.grad.flatten() for p in pl_module.parameters()]
        self.expected.append(torch.cat(gradients).norm().item())

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.logged.append(trainer.callback_metrics["train/grad_norm"].item())


@pytest.mark.parametrize("clip", [None, 1e-3])
def test_the_norm_of_the_gradient_is_logged_before_clipping(clip):
    norms = Norms()
    fit(module(), [norms], gradient_clip_val=clip)
    assert len(norms.logged) == 5 and min(norms.logged) > 1e-3
    assert norms.logged == pytest.approx(norms.expected, rel=1e-5)


def test_overfitting_is_to_the_same_batch():
    class Watch(Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            seen.append(batch[0])

    seen = []
    fit(module(), [Watch()], overfit_batches=1, limit_train_batches=None, max_epochs=3)
    assert len(seen) == 3 and seen[0].equal(seen[1]) and seen[0].equal(seen[2])


def test_a_quarter_of_t_without_images_is_not_logged_as_a_number(monkeypatch, caplog):
    """A loss that is not finite is, since the run has diverged."""
    caplog.set_level("INFO")
    for loss, count in ((1.0, 2), (float("nan"), 5)):
        model, given = module(), {}
        monkeypatch.setattr(model, "log", lambda name, value, **options: given.update({name: options}))
        model.val_loss.update(torch.tensor([loss]), torch.tensor([0.1]))
        model.on_validation_epoch_end()
        assert len(given) == count
    assert sum("val/loss_t75-100 is not logged" in line for line in caplog.messages) == 1


def test_a_quarter_may_have_images_in_one_epoch_and_none_in_another():
    """As of a set of few images, of which Lightning would be told twice."""
    for seed in range(4):
        fit(module(seed=seed), max_epochs=6, limit_train_batches=1, limit_val_batches=1, batch_size=2)


def test_gradients_have_the_strides_of_their_weights():
    """DDP compares them with its buckets' and warns; of 1x1 convolutions some kernels give others."""
    weights = torch.randn(6, 4, 1, 1)
    gradient = torch.randn(6, 4, 1, 1).as_strided((6, 4, 1, 1), (4, 1, 4, 4))
    found = _with_strides(weights.stride(), gradient)
    assert found.stride() == weights.stride() and found.equal(gradient)
    assert found.data_ptr() == gradient.data_ptr()
    other = torch.randn(4, 6, 1, 1).transpose(0, 1)
    assert _with_strides(weights.stride(), other) is other


def test_so_have_those_of_a_network():
    network = nn.Sequential(nn.Conv2d(64, 64, 1), nn.Conv2d(64, 64, 3, padding=1), nn.Conv2d(64, 1, 1))
    _lay_out_gradients_as_weights(network)
    network(torch.randn(32, 64, 4, 4)).square().mean().backward()
    assert all(p.grad.stride() == p.stride() for p in network.parameters())
