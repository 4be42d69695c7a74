"""Frames of a walk as it goes on, and its end."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import diffusion_lightning as dl
from diffusion_lightning.page import walk as module
from diffusion_lightning.page.walk import Walk, side_by_side
from diffusion_lightning.points import WALK, scatter


def drawing(model, steps=6, seed=0, seen=None, **options):
    def draw(callback):
        def watch(i, *rest):
            if seen is not None:
                seen.append(i)
            callback(i, *rest)

        sampler = dl.DDPM(steps)
        return model.sample([3], sampler=sampler, seed=seed, progress=False, callback=watch, **options)

    return Walk(draw, steps)


def ended():
    """Wait until no walk is left, and say whether it came to that."""
    deadline = time.monotonic() + 10
    while any(thread.name.startswith("walk") for thread in threading.enumerate()):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


def test_frames_are_the_predictions_and_the_last_is_the_image(digits):
    frames, seen = list(drawing(digits)), []
    images = digits.sample(
        [3], sampler=dl.DDPM(6), progress=False, callback=lambda i, t, p: seen.append((t, dl.to_uint8(p.x_t)))
    )
    assert [frame.step for frame in frames] == [1, 2, 3, 4, 5, 6]
    assert [frame.t for frame in frames] == [t for t, _ in seen]
    assert all(frame.x_t.equal(x_t) for frame, (_, x_t) in zip(frames, seen, strict=True))
    assert frames[-1].x0.equal(dl.to_uint8(images))


def test_the_paths_of_points_grow_with_the_walk():
    points, labels = dl.Rings().sample(200, torch.Generator().manual_seed(0))
    ideal = dl.IdealDenoiser(points.float(), dl.Cosine(), labels)
    model, seen = dl.DiffusionModel(ideal, shape=(2,), guidance=dl.Guidance(0.1, 1.0)), []
    names = [str(y % 8) for y in range(40)]

    def drawn(callback):
        def watch(i, t, p):
            seen.append((p.x_t, p.x0))
            callback(i, t, p)

        return model.sample(num_images=40, sampler=dl.DDIM(5), progress=False, callback=watch)

    frames, captions = list(Walk(drawn, 5, names)), dl.Captions(images=names)
    for i, frame in enumerate(frames):
        paths = torch.stack([x_t[: module.PATHS] for x_t, _ in seen[: i + 1]])
        x_t, x0 = seen[i]
        assert frame.x_t.equal(scatter(x_t, captions=captions, extent=WALK, paths=paths)[None])
        assert frame.x0.equal(scatter(x0, captions=captions, extent=WALK)[None])


def test_a_long_walk_keeps_some_of_its_frames_with_the_last(digits, monkeypatch):
    monkeypatch.setattr(module, "MOST_FRAMES", 3)
    assert [frame.step for frame in drawing(digits, steps=8)] == [1, 4, 7, 8]
    monkeypatch.setattr(module, "MOST_BYTES", 2 * 2 * 64)
    assert [frame.step for frame in drawing(digits, steps=8)] == [1, 5, 8]


def test_a_stopped_walk_ends_at_its_next_step(digits):
    seen, frames = [], []
    walk = drawing(digits, steps=1000, seen=seen)
    for frame in walk:
        frames.append(frame)
        if len(frames) == 3:
            walk.stop()
    assert len(frames) == 3 and ended()
    # Every tenth step has a frame; the walk may be at most one frame ahead of who looks
    assert len(seen) <= 42


def test_a_walk_that_nobody_looks_at_ends(digits, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 0.2)
    frames = iter(drawing(digits, steps=1000))
    next(frames)
    assert ended()
    assert len(list(frames)) <= 1
    frames = iter(drawing(digits, steps=1000))
    next(frames)
    frames.close()
    assert ended()


def test_what_a_walk_raises_is_raised_where_its_frames_are_taken():
    def draw(callback):
        raise dl.UserError("not this one")

    with pytest.raises(dl.UserError, match="not this one"):
        list(Walk(draw, 5))


def test_walks_at_once_have_the_bits_of_walks_alone(digits):
    alone = [list(drawing(digits, seed=seed))[-1].x0 for seed in range(4)]
    with ThreadPoolExecutor(4) as threads:
        together = list(threads.map(lambda seed: list(drawing(digits, seed=seed))[-1].x0, range(4)))
    assert all(map(torch.equal, together, alone))


def test_walks_side_by_side_end_together_and_none_outlives_the_other(digits):
    both = list(side_by_side([drawing(digits, steps=3), drawing(digits, steps=5)]))
    assert [[frame.step for frame in frames] for frames in both] == [[1, 1], [2, 2], [3, 3], [3, 4], [3, 5]]

    def broken(callback):
        raise dl.UserError("no")

    with pytest.raises(dl.UserError):
        list(side_by_side([drawing(digits, steps=1000), Walk(broken, 5)]))
    assert ended()
