"""What a person meant to type."""

import pytest

from tests.support.in_process import run_here


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("train.py batch_size=32", "dataset.batch_size"),
        ("train.py lr=1e-3", "optimizer.lr"),
        ("train.py max_epochs=3", "trainer.max_epochs"),
        ("train.py trainer.max_epoch=3", "trainer.max_epochs"),
        ("train.py precision=bf16-mixed", "speed.precision"),  # which trainer.precision follows
        ("train.py network.batch_size=3", "dataset.batch_size"),
        ("sample.py checkpoint=run steps=10", "sampler.steps"),
        ("sample.py checkpoint=run n_images=4", "num_images"),
        ("evaluate.py checkpoint=run scale=3", "guidance.scale"),
    ],
)
def test_an_unknown_option_names_the_one_that_was_meant(command, meant, tmp_path):
    assert run_here(*command.split(), cwd=tmp_path).stderr.endswith(f". Did you mean {meant}?\n")


@pytest.mark.parametrize("option", ["nothing=1", "sampler=heun sampler.eta=1"])
def test_without_one_that_is_alike_it_asks_nothing(option, tmp_path):
    refused = run_here("train.py", *option.split(), cwd=tmp_path).stderr
    assert "is unknown; there are" in refused and "mean" not in refused
