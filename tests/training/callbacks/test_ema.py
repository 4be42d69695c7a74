import torch

from diffusion_lightning.training.callbacks import EMA
from tests.support.fitting import fit, module, weights


def test_ema_ramps_and_never_averages_buffers():
    model, history = module(), []
    model.denoiser.network.register_buffer("counter", torch.zeros(1))

    class Track(EMA):
        def on_train_batch_end(self, trainer, pl_module, *args):
            pl_module.denoiser.network.counter += 1
            super().on_train_batch_end(trainer, pl_module, *args)
            history.append((weights(pl_module).clone(), torch.cat([a.flatten() for a in self.averages])))

    fit(model, [Track(decay=0.99)])
    assert float(model.denoiser.network.counter) == 5
    expected = history[0][0]  # the first update copies
    for n, (raw, average) in enumerate(history[1:], start=1):
        decay = min(0.99, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * raw
        torch.testing.assert_close(average, expected)
