"""Images of H x W, from the config to the checkpoint and everything that is drawn from it."""

import json

import numpy as np
import pytest
import torch
from torchvision.io import read_image

import diffusion_lightning as dl
from diffusion_lightning.errors import UserError
from diffusion_lightning.images import height_and_width, image_grid, save_png
from tests.support.configs import of_images
from tests.support.in_process import run_here, succeed_here
from tests.support.networks import perturb
from tests.support.runs import train_in

OBLONG = ["dataset.image_size=[8,12]", "guidance=cfg", "callbacks.sample_grid.num_images=4"]
FEW = {
    "clamp_study": ["task.num_images=4", "task.shown=2"],
    "class_sweep": ["task.rows=1", "task.points=2"],
    "filmstrip": ["task.rows=1", "task.frames=2"],
    "generate": ["num_images=3"],
    "guidance_sweep": ["task.columns=2", "task.scales=[1,2]"],
    "interpolate": ["task.pairs=1", "task.points=3"],
    "sampler_study": ["task.evaluations=[2]", "task.num_images=2"],
    "schedule_study": ["task.times=3"],
}


@pytest.fixture(scope="module")
def oblong(tmp_path_factory):
    run = tmp_path_factory.mktemp("oblong") / "run"
    train_in(run, *OBLONG, "trainer.max_epochs=1")
    return run


def test_an_image_size_is_a_side_or_two():
    assert (height_and_width(8), height_and_width([8, 12]), height_and_width((3, 4))) == (
        (8, 8),
        (8, 12),
        (3, 4),
    )
    for size in ([8], [8, 8, 8], [], [8, 1.5], None, "ab"):
        with pytest.raises(UserError, match="image_size is"):
            height_and_width(size)


@pytest.mark.parametrize("size", [[8, 16], [16, 8], [12, 28], (4, 64)])
def test_a_network_of_a_square_computes_the_same_with_its_two_sides(size):
    def net(image_size):
        torch.manual_seed(0)
        return perturb(dl.UNet(1, image_size, 3, 8, (1, 2), 1, (4,))).eval()

    square, same = net(8), net([8, 8])
    x, t, y = torch.randn(2, 1, 8, 8), torch.tensor([1.0, 500.0]), torch.tensor([0, 3])
    assert square.state_dict().keys() == same.state_dict().keys() and square(x, t, y).equal(same(x, t, y))
    x = torch.randn(2, 1, *size)
    wide = net(size)
    assert wide(x, t, y).shape == x.shape
    with pytest.raises(UserError, match=rf"takes \(B, 1, {size[0]}, {size[1]}\)"):
        wide(x.transpose(2, 3), t, y)


def test_turned_images_meet_attention_at_the_same_levels():
    def attending(size):
        net = dl.UNet(1, size, 0, 8, (1, 2, 2), 1, (8, 4))
        return [stage.attention is not None for stage in net.stages()]

    assert attending([8, 16]) == attending([16, 8]) == attending(8)


def test_a_checkpoint_knows_both_sides(oblong):
    model = dl.load(oblong)
    assert model.shape == (1, 8, 12) and model.config["dataset"]["image_size"] == [8, 12]
    images = model.sample([0, 1], sampler=dl.DDIM(2), progress=False)
    assert images.shape == (2, 1, 8, 12)
    strips = model.interpolate(pairs=1, points=2, sampler=dl.DDIM(2), progress=False)
    assert strips.shape == (1, 2, 1, 8, 12)
    back = model.invert(images, [0, 1], sampler=dl.DDIM(2), progress=False)
    assert back.shape == images.shape
    # Two rows of images of 8 x 12, four pixels for one, in frames, below the title and the names of classes
    picture = read_image(str(next((oblong / "samples").iterdir())))
    assert picture.shape[-2] > 2 * (4 * 8 + 1) + 1 and picture.shape[-1] >= 2 * (4 * 12 + 1) + 1


@pytest.mark.slow
def test_a_run_of_oblong_images_resumes_bit_for_bit(oblong, tmp_path):
    train_in(tmp_path / "whole", *OBLONG, "trainer.max_epochs=2")
    train_in(tmp_path / "parts", *OBLONG, "trainer.max_epochs=1")
    train_in(tmp_path / "parts", *OBLONG, "trainer.max_epochs=2", "resume=true")
    whole, parts = (
        torch.load(tmp_path / name / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
        for name in ("whole", "parts")
    )
    assert all(weight.equal(parts[name]) for name, weight in whole.items())


@pytest.mark.parametrize("task", of_images("task"))
def test_every_task_draws_oblong_images(task, oblong, tmp_path):
    options = [f"checkpoint='{oblong}'", f"task={task}", "out=drawn"]
    options += [] if task in ("sampler_study", "schedule_study") else ["sampler.steps=2"]
    few = FEW.get(task, ["task.images=[0,1]"])
    succeed_here("sample.py", *options, *few, cwd=tmp_path)
    if (tmp_path / "drawn" / "samples.npz").exists():
        with np.load(tmp_path / "drawn" / "samples.npz") as arrays:
            assert arrays["arr_0"].shape[1:] == (8, 12, 1)


def test_a_hole_is_in_fractions_of_each_side():
    from diffusion_lightning.sampling.tasks.inpaint import Inpaint

    hole = Inpaint(hole=[0.0, 0.5, 0.25, 1.0])._hole((8, 12))
    expected = torch.zeros(1, 8, 12, dtype=torch.bool)
    expected[:, :2, 6:] = True
    assert hole.equal(expected)


def test_files_and_samples_must_have_both_sides(oblong, tmp_path):
    save_png(torch.zeros(1, 12, 8, dtype=torch.uint8), tmp_path / "turned.png")
    options = [f"checkpoint='{oblong}'", "sampler.steps=2"]
    done = run_here("sample.py", *options, "task=invert", "task.images=[turned.png]", "out=a", cwd=tmp_path)
    assert done.returncode == 1 and "turned.png is 8x12 pixels, but the model draws 12x8" in done.stderr
    np.savez(tmp_path / "turned.npz", np.zeros((3, 12, 8, 1), np.uint8))
    done = run_here("evaluate.py", options[0], "samples=turned.npz", "out=b", cwd=tmp_path)
    assert done.returncode == 1 and "(H, W, C) = (8, 12, 1)" in done.stderr


def test_oblong_images_are_measured(oblong, tmp_path):
    options = [f"checkpoint='{oblong}'", "sampler.steps=2", "num_images=20", "out=measured"]
    options += [
        "metrics=[fid,kid,colours,neighbours,bits]",
        "metrics.bits.num_images=2",
        "metrics.bits.steps=2",
    ]
    succeed_here("evaluate.py", *options, "metrics.bits.flow.steps=1", cwd=tmp_path)
    record = json.loads((tmp_path / "measured" / "evaluation.json").read_text())
    assert {"mean_0", "nearest", "bits_bound"} <= record["samples"].keys()


def test_a_grid_is_enlarged_by_one_factor():
    wide = torch.randint(0, 256, (1, 1, 8, 12), dtype=torch.uint8)
    assert image_grid(wide).shape[1:] == (8 * 4, 12 * 4)
    assert image_grid(wide.transpose(2, 3)).shape[1:] == (12 * 4, 8 * 4)
