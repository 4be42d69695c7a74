"""The walks of a trained model: counted, compiled when it pays, and watched."""

import torch

import diffusion_lightning as dl
from tests.support.class_gaussians import gaussians, noise


def test_each_walk_is_counted():
    model = gaussians(speed=dl.Speed("bf16-mixed", compile=False))
    model.sample(num_images=5, batch_size=3, sampler=dl.Heun(4), progress=False)
    model.interpolate(noise(2).clamp(-1, 1), labels=[0, 1], sampler=dl.DDIM(4), progress=False)
    low, full = torch.bfloat16, torch.float32  # rounding would lead beside a real image
    assert model.walks == [(7, low), (7, low), (9, full), (4, full)]
    assert model.dtype == low


def test_the_network_is_compiled_once_and_only_when_it_pays():
    prepared = []

    class Recorded(dl.Speed):
        def chosen(self, device, evaluations, training):
            assert device == "cpu" and not training
            return Recorded("32-true", compile="default" if evaluations >= 12 else False)

        def prepare(self, network):
            prepared.append(self.compile)

    model, few = gaussians(speed=Recorded()), {"num_images": 4, "batch_size": 2, "progress": False}
    for steps, expected in (5, [False]), (6, [False, "default"]), (7, [False, "default"]):
        model.sample(sampler=dl.DDIM(steps), **few)  # two batches
        assert prepared == expected
    model.sample(sampler=dl.DDIM(2), **few)
    assert prepared == [False, "default"]


def test_the_bar_can_be_hidden(capsys, monkeypatch):
    monkeypatch.setattr("diffusion_lightning.progress.watched", lambda *_: True)
    gaussians().sample(0, sampler=dl.DDIM(2), progress=False)
    assert capsys.readouterr().err == ""
    gaussians().sample(0, sampler=dl.DDIM(2))
    assert "sampling" in capsys.readouterr().err
    gaussians().invert(noise(1), 0, sampler=dl.DDIM(2))
    assert "inversion" in capsys.readouterr().err
