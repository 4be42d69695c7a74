"""Points of the plane go through every command: drawn, pictured, stored and measured as what they are."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import diffusion_lightning as dl
from diffusion_lightning.commands.evaluate import evaluate
from diffusion_lightning.commands.sample import sample
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.extractors.extract import extract
from diffusion_lightning.sampling.tasks.trajectories import PointWalk
from tests.support.configs import composed, of_images
from tests.support.runs import train_in

TINY = [
    *("dataset.num_points=500", "dataset.batch_size=50", "network.depth=1", "trainer.max_epochs=1"),
    *("trainer.enable_progress_bar=false", "callbacks.progress_bar=null", "sampler.steps=2"),
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("plane")
    train_in(folder, "experiment=plane_cfg", small=TINY)
    return folder


@pytest.fixture
def run(trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def run(*overrides):
        options = [f"checkpoint='{trained}'", "out=out", "overwrite=true", *overrides]
        return sample(composed("sample", *options, with_hydra=False))

    return run


def test_samples_are_stored_as_the_floats_that_the_library_draws(run, trained):
    with np.load(run("num_images=24", "sampler.steps=3") / "samples.npz") as arrays:
        points, labels = arrays["arr_0"], arrays["arr_1"]
    model = dl.load(trained, device="cpu")
    drawn = model.sample(num_images=24, sampler=dl.DDIM(steps=3), progress=False)
    assert points.dtype == np.float32 and np.array_equal(points, drawn.numpy())
    assert labels.tolist() == [k % 8 for k in range(24)] and "points: (2,)" in repr(model)


def test_the_grid_of_a_run_is_a_scatter(trained):
    (picture,) = (trained / "samples").glob("*.png")
    width, height = Image.open(picture).size
    assert width > 300 and height >= 300


def test_the_figures_are_those_of_the_points(run, trained):
    folder = run("num_images=300", "sampler.steps=3")
    options = [f"samples='{folder / 'samples.npz'}'", "dataset=plane", "dataset.shape=rings"]
    options += ["extractor=identity", "dataset.num_points=500", "out=evaluated", "device=cpu"]
    record = evaluate(composed("evaluate", *options, with_hydra=False))
    with np.load(folder / "samples.npz") as arrays:
        x = torch.from_numpy(arrays["arr_0"]).double()
    data = dl.Plane("rings", num_points=500)
    data.setup()
    y = data.train_images.images.double()
    # tr (Σ_x Σ_y)^½ of 2 x 2 matrices: √(tr M + 2 √det M)
    a, b = torch.cov(x.T), torch.cov(y.T)
    cross = ((a @ b).trace() + 2 * (a.det() * b.det()).sqrt()).sqrt()
    by_hand = (x.mean(0) - y.mean(0)).square().sum() + a.trace() + b.trace() - 2 * cross
    assert record["samples"]["fid"] == pytest.approx(float(by_hand), rel=1e-5)
    assert record["samples"]["mean_0"] == pytest.approx(float(x[:, 0].mean()), rel=1e-6)
    assert "does not apply" in record["reasons"]["samples"]["neighbours"]
    assert (Path("evaluated") / "samples.png").exists()


def test_a_points_features_are_its_coordinates():
    points = torch.randn(70, 2)
    features, logits = extract(dl.Identity(), points)
    assert features.equal(points) and logits.shape == (70, 0)


FEW = {
    "sampler_study": ["task.evaluations=[3]", "task.num_images=3"],
    "schedule_study": [],
    "invert": ["task.images=[0,1]", "guidance.scale=1", "sampler.steps=2"],
}


@pytest.mark.parametrize("task", sorted({*of_images("task")} - {"inpaint", "generate"}))
def test_every_task_draws_points(task, run):
    folder = run(f"task={task}", *FEW.get(task, ["sampler.steps=2"]))
    assert json.loads((folder / "sampling.json").read_text())["data"] == "Plane"
    if (folder / "samples.npz").exists():
        with np.load(folder / "samples.npz") as arrays:
            assert arrays["arr_0"].shape[1:] == (2,) and arrays["arr_0"].std() > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["task=inpaint"], "a hole is a part of an image"),
        (["task=invert", "task.images=[a.png]", "guidance.scale=1"], "numbers of test points"),
        (["task=trajectories", "task.times=[2]"], "times is"),
        (["task=trajectories", "task.film=film.mp4"], "film is"),
    ],
)
def test_what_points_have_not_is_refused_in_a_line(options, message, run):
    with pytest.raises(Exception, match=message):
        run(*options)


def request(points, labels=None, guidance=None, **changes):
    """A request of a model that knows its points in closed form."""
    guidance = guidance or dl.Guidance(1.0, 0.0)
    denoiser = dl.IdealDenoiser(points, dl.Linear(), labels)
    model = dl.DiffusionModel(denoiser, points.shape[1:], guidance, config={"dataset": {}})
    return dl.SamplingRequest(model, dl.Sampling(dl.DDIM(), guidance, dl.NoClamp()), **changes)


def test_the_arrows_are_the_score_of_a_point():
    """All data are one point p: p_t is N(α p, σ²), whose score is -(x - α p)/σ²."""
    p = torch.tensor([[0.3, -0.4]])
    task, asked = dl.Trajectories({"DDIM": dl.DDIM(steps=2)}), request(p)
    for t in 1.0, 0.2:
        level = dl.Linear().level(t)
        places, arrows = task._score(asked, t)
        torch.testing.assert_close(arrows, -(places - level.alpha * p) / level.sigma, rtol=1e-4, atol=1e-5)


def test_all_walks_begin_in_the_same_noise_and_end_in_the_samples(tmp_path):
    points, labels = torch.randn(8, 2, generator=torch.Generator().manual_seed(0)) / 3, torch.arange(8) % 2
    asked = request(points, labels, dl.Guidance(0.1, 1.0))
    samplers = {"DDIM": dl.DDIM(steps=6), "DDPM": dl.DDPM(steps=4)}
    task = dl.Trajectories(samplers, scales=(0.0, 3.0), num_points=10, film="film.gif", times=(1.0, 0.5))
    assert task.evaluations(asked) == 6 + 4 + 2 * 6
    walks = [task._walk(asked, sampler) for sampler in samplers.values()]
    assert walks[0].x[0].equal(walks[1].x[0]) and [len(walk.x) for walk in walks] == [7, 5]
    drawn = asked.model.sample(num_images=10, sampler=samplers["DDIM"], clamp=dl.NoClamp(), progress=False)
    assert walks[0].x[-1].equal(drawn) and walks[0].labels.tolist() == [0, 1] * 5
    assert task(asked, tmp_path).name == "trajectories.png"
    assert Image.open(tmp_path / "film.gif").n_frames > 40


def test_a_walk_is_seen_at_the_nearest_time():
    walk = PointWalk([1.0, 0.5, 0.1, 0.0], torch.arange(4.0).view(4, 1, 1).expand(4, 1, 2), None)
    assert [walk.at(t)[0, 0].item() for t in (1.0, 0.8, 0.31, 0.29, 0.04)] == [0, 0, 1, 2, 3]


def test_images_have_no_trajectories():
    asked = request(torch.zeros(2, 1, 4, 4))
    with pytest.raises(UserError, match="task=filmstrip shows the walk of images"):
        dl.Trajectories({"DDIM": dl.DDIM()})(asked, Path("."))
