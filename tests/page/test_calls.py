"""What the page draws, its command draws, and its lines of Python: bit for bit."""

import shlex

import numpy as np
import pytest
import torch

import diffusion_lightning as dl
from diffusion_lightning.errors import UserError
from diffusion_lightning.page.calls import check_pictures, draw, fill, interpolate, start_from
from diffusion_lightning.page.settings import Settings
from diffusion_lightning.page.walk import Walk
from diffusion_lightning.points import WALK, scatter
from tests.support.in_process import succeed_here

NAMED = {"checkpoint": "zoo:digits"}


def hole_of_digits():
    hole = torch.zeros(1, 8, 8, dtype=torch.bool)
    hole[:, 2:5, 3:] = True
    return hole


def picture_of_digits():
    return (torch.arange(64, dtype=torch.uint8) * 4).view(1, 8, 8)


GUIDED = Settings(sampler="ddpm", steps=3, scale=2.5, low=0.2, high=0.9, rescale=0.5, labels="3,1", seed=7)
REPAINT = Settings(sampler="repaint", steps=3, scale=1.5, labels="8", num_images=2)
CALLS = {
    "draw": lambda m: draw(Settings(steps=3, num_images=3, scale=1.5, seed=5), m),
    "guided": lambda m: draw(GUIDED, m),
    "unconditional": lambda m: draw(
        Settings(sampler="heun", grid="karras", clamp="none", steps=3, scale=0, seed=2), m
    ),
    "interpolate": lambda m: interpolate(Settings(steps=3, labels="2,7", seed=4), m, 9, 3),
    "fill": lambda m: fill(REPAINT, m, picture_of_digits(), hole_of_digits()),
    "fill without a class": lambda m: fill(Settings(steps=3), m, picture_of_digits(), hole_of_digits()),
    "start from": lambda m: start_from(Settings(steps=4, labels="6"), m, picture_of_digits(), 0.55),
}


SLOW = "draw", "unconditional", "fill without a class"
"""Which add little to the others."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in SLOW)) for kind in CALLS]
)
def test_page_command_and_python_draw_the_same_bits(kind, hydra, digits, tmp_path, monkeypatch):
    call = CALLS[kind](digits)
    *_, last = Walk(call, call.steps)
    assert len(last.x0) == len(call.names) and last.step == last.steps == call.steps
    monkeypatch.chdir(tmp_path)
    for name, content in call.files.items():
        (tmp_path / name).write_bytes(content)

    lines, namespace = call.python(NAMED), {}
    exec(lines, namespace)
    drawn = dl.to_uint8(namespace["images"]).view(-1, 1, 8, 8)
    assert drawn.equal(last.x0) and (tmp_path / "grid.png").exists()
    assert len([line for line in lines.splitlines() if line]) <= 5

    program, script, *options = shlex.split(call.command(NAMED))
    assert (program, script) == ("python", "sample.py")
    succeed_here(script, *options, "out=out", cwd=tmp_path)
    images = np.load(tmp_path / "out" / "samples.npz")["arr_0"]
    shown = last.x0.permute(0, 2, 3, 1).numpy()
    assert np.array_equal(images[-len(shown) :], shown)


def test_the_model_is_named_with_all_that_it_was_loaded_with(hydra, digits):
    call = draw(Settings(), digits)
    of_model = {"checkpoint": "my runs/it's one", "weights": "raw", "trust": ["a", "b"]}
    words = shlex.split(call.command(of_model))
    assert words[2:5] == ["checkpoint=my runs/it's one", "weights=raw", "trust=[a,b]"]
    assert 'dl.load("my runs/it\'s one", weights="raw", trust=["a", "b"])' in call.python(of_model)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: draw(Settings(labels="10"), m), "labels"),
        (lambda m: draw(Settings(labels="cat"), m), "labels"),
        (lambda m: draw(Settings(num_images=17), m), "images: 17 is not a whole number from 1 to 16"),
        (lambda m: draw(Settings(labels="1", scale=0), m), "leave labels out"),
        (lambda m: draw(Settings(sampler="x"), m), "there is no sampler=x; choose from ddim, ddpm"),
        (lambda m: draw(Settings(sampler="ddim,heun"), m), "there is no sampler=ddim,heun"),
        (lambda m: draw(Settings(grid="../ddim"), m), "there is no sampler/grid=../ddim"),
        (lambda m: draw(Settings(clamp=""), m), "there is no clamp="),
        (lambda m: draw(Settings(low=0.9, high=0.1), m), "interval"),
        (lambda m: interpolate(Settings(), m, -1, 3), "the other seed: -1"),
        (lambda m: interpolate(Settings(), m, 1, 17), "images: 17"),
        (lambda m: fill(Settings(), m, picture_of_digits(), hole_of_digits() & False), "there is no hole"),
        (lambda m: start_from(Settings(), m, picture_of_digits(), 1.5), "t: 1.5"),
    ],
)
def test_what_cannot_be_drawn_is_said_before_any_walk(call, message, hydra, digits):
    with pytest.raises(UserError, match=message):
        call(digits)


def test_points_are_drawn_in_one_walk_and_one_picture(hydra):
    denoiser = dl.Denoiser(dl.MLP(2, 0, width=8, depth=1), dl.Cosine(), dl.V())
    model = dl.DiffusionModel(denoiser, (2,), dl.Guidance(1.0, 0.0))
    call = draw(Settings(steps=3, num_images=300, scale=0, clamp="none", seed=3), model)
    *_, last = Walk(call, call.steps)
    namespace = {"model": model, "dl": dl}
    (line,) = (line for line in call.python(NAMED).splitlines() if line.startswith("images ="))
    exec(line, namespace)
    points = namespace["images"]
    assert points.shape == (300, 2) and "num_images=300 batch_size=300" in call.command(NAMED)
    assert call.captions == [""] and len(call.names) == 300
    assert last.x0.equal(scatter(points, captions=dl.Captions(images=call.names), extent=WALK)[None])
    with pytest.raises(UserError, match="this model draws points"):
        check_pictures(model)
