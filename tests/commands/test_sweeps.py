"""Sweeps: side by side on GPUs, through submitit, by Optuna; their leaderboard; going on with them."""

import csv
import importlib.metadata
import json
import os
import subprocess
import sys
from itertools import product

import pytest
import torch
from hydra.core.hydra_config import HydraConfig
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn, JobStatus
from hydra.utils import instantiate
from omegaconf import OmegaConf, open_dict
from packaging.requirements import Requirement

from diffusion_lightning.commands import gpu_per_job as gpus
from diffusion_lightning.commands.sweep_tables import EvaluationTable, TrainingTable
from diffusion_lightning.errors import UserError
from diffusion_lightning.files import atomic_write, write_json
from tests.support.command import ROOT, SMALL, run, succeed
from tests.support.configs import composed, names
from tests.support.in_process import run_here

PLUGINS = {
    "launcher/joblib": "hydra_joblib_launcher.config.JobLibLauncherConf",
    "launcher/submitit_local": "hydra_submitit_launcher.config.LocalQueueConf",
    "launcher/submitit_slurm": "hydra_submitit_launcher.config.SlurmQueueConf",
    "sweeper/optuna": "hydra_optuna_sweeper.config.OptunaSweeperConf",
}


def leaderboard(folder):
    with (folder / "sweep.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    markdown = (folder / "sweep.md").read_text().splitlines()
    assert markdown[0] == f"| {' | '.join(rows[0])} |" and len(markdown) == 2 + len(rows)
    assert all((folder / row["folder"] / "metrics.csv").exists() or row["failed"] for row in rows)
    return rows


def checkpoint(folder, row):
    return torch.load(folder / row["folder"] / "checkpoints" / "last.ckpt", weights_only=True)


def test_the_extra_is_installed_within_its_bounds():
    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    for line in project["optional-dependencies"]["sweeps"]:
        requirement = Requirement(line)
        assert requirement.specifier and requirement.specifier.contains(
            importlib.metadata.version(requirement.name)
        )


def test_our_launchers_and_sweepers_are_the_plugins_own_class():
    assert {f"{group}/{name}" for group in ("launcher", "sweeper") for name in names(f"hydra/{group}")} == {
        *PLUGINS
    }
    for option, target in PLUGINS.items():
        group, name = option.split("/")
        node = composed("train", f"hydra/{group}={name}").hydra[group]
        kind = OmegaConf.get_type(node)
        assert f"hydra_plugins.{target}" == f"{kind.__module__}.{kind.__name__}"
        assert node._target_ in Plugins.instance().class_name_to_class


@pytest.mark.parametrize(("visible", "at_once", "to_choose_from"), [("2,5", 2, 2), ("", 1, 0), ("-1", 1, 0)])
def test_as_many_jobs_as_gpus(monkeypatch, visible, at_once, to_choose_from):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert composed("train", "hydra/launcher=joblib").hydra.launcher.n_jobs == at_once
    local = composed("train", "hydra/launcher=submitit_local").hydra.launcher
    assert local.gpus_per_node == to_choose_from


def test_without_the_variable_every_gpu_counts(monkeypatch):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    assert gpus.visible_gpus() == ["0", "1", "2"]


CLAIM = """
import os, sys
from diffusion_lightning.commands.gpu_per_job import OneGPUPerJob
for job in range(2):
    OneGPUPerJob().on_job_start(config=None, task_function=None)
    print(os.environ["CUDA_VISIBLE_DEVICES"], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def process_of_two_jobs(tmp_path):
    """Start one that sees these GPUs; it lives until its input ends."""
    started = []

    def start(visible):
        env = os.environ | {"CUDA_VISIBLE_DEVICES": visible, "TMPDIR": str(tmp_path)}
        pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
        process = subprocess.Popen([sys.executable, "-c", CLAIM], env=env, cwd=ROOT, text=True, **pipes)
        started.append(process)
        return process

    yield start
    for process in started:
        process.communicate(timeout=60)


def jobs_gpus(process):
    return [process.stdout.readline().strip() for _ in range(2)]


def test_a_process_keeps_its_gpu_and_no_other_gets_it(process_of_two_jobs):
    start = process_of_two_jobs
    first, second = start("0,1"), start("0,1")
    its, others = jobs_gpus(first), jobs_gpus(second)
    assert sorted([its, others]) == [["0", "0"], ["1", "1"]]
    third = start("0,1")
    assert third.wait(timeout=60) == 1 and third.stdout.read() == ""
    error = third.stderr.read()
    assert error.count("\n") == 1 and "hydra.launcher.n_jobs=2" in error
    assert jobs_gpus(start("1,5,0")) == ["5", "5"]
    first.kill()
    first.wait()
    assert jobs_gpus(start("0,1")) == its


@pytest.mark.parametrize("visible", ["", "-1"])
def test_without_a_gpu_nothing_is_claimed(process_of_two_jobs, visible):
    assert jobs_gpus(process_of_two_jobs(visible)) == [visible, visible]
    assert jobs_gpus(process_of_two_jobs(visible)) == [visible, visible]


def test_without_the_extra_it_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "nothing" / "hydra_plugins").mkdir(parents=True)
    (tmp_path / "nothing" / "hydra_plugins" / "__init__.py").touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "nothing"))
    done = run("train.py", "-m", "hydra/launcher=joblib", "hydra.sweep.dir=sweep", cwd=tmp_path)
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert done.stderr.endswith("pip install 'diffusion-lightning[sweeps]'.\n")


def result(folder, name, loss, **metrics):
    job = folder / name
    job.mkdir()
    record = {"optimized_metric": "val/loss", "overrides": {"schedule": name}}
    metrics |= {} if loss is None else {"val/loss": loss}
    (job / "result.json").write_text(json.dumps(record | {"metrics": metrics}))
    (job / "metrics.csv").touch()


def test_the_best_comes_first_and_what_is_not_finished_nowhere(tmp_path):
    results = {"a": 0.3, "b": float("nan"), "c": 0.02, "d": None, "e": 0.1}
    for name, loss in results.items():
        result(tmp_path, name, loss, **{"step": 5.0})
    (tmp_path / "running").mkdir()
    (tmp_path / "running" / "metrics.csv").write_text("val/loss\n0.001\n")
    TrainingTable().write(tmp_path)
    rows = leaderboard(tmp_path)
    assert [row["folder"] for row in rows[:3]] == ["c", "e", "a"]
    assert {row["folder"] for row in rows[3:]} == {"b", "d"}
    assert list(rows[0]) == ["val/loss", "schedule", "step", "folder"]
    # What is not finite is null in the files of today
    null = {"optimized_metric": "val/loss", "overrides": {}, "metrics": {"val/loss": None}}
    write_json(null, tmp_path / "b" / "result.json")
    TrainingTable().write(tmp_path)
    rows = leaderboard(tmp_path)
    assert [row["folder"] for row in rows[:3]] == ["c", "e", "a"] and rows[3]["val/loss"] == ""


def test_a_study_shows_no_figure_where_there_is_none_and_why(tmp_path, monkeypatch):
    versions = {"extractor_sha256": "e" * 64, "train_statistics_sha256": "s" * 64, "versions": {"torch": "2"}}
    versions["data"] = "Digits"
    for n, fid in {1: None, 40: 3.5, 60: 2.5}.items():
        (tmp_path / str(n)).mkdir()
        record = {"overrides": {"sampler.steps": float(n)}, "nfe": n, "num_images": n, "seconds": 1.0}
        record |= {"samples": {"fid": fid}, "floor": {"fid": fid}, "provenance": versions}
        record |= {"asked": {"seed": 0, "checkpoint_sha256": "abc"}}
        why = {} if fid else {"reasons": {"samples": {"fid": "because"}, "floor": {"fid": "because"}}}
        write_json(record | why, tmp_path / str(n) / "evaluation.json")
    rows = EvaluationTable().write(tmp_path)
    with (tmp_path / "study.csv").open(newline="") as file:
        written = list(csv.DictReader(file))
    assert [(row["fid"], row["fid_floor"], row["reasons"]) for row in written] == [
        *(("", "", "fid: because"), ("3.5", "3.5", ""), ("2.5", "2.5", ""))
    ]
    assert "None" not in (tmp_path / "study.md").read_text()
    said = []
    monkeypatch.setattr("matplotlib.figure.Figure.suptitle", lambda _, text, **__: said.append(text))
    assert EvaluationTable().plot(rows, tmp_path).stat().st_size > 10_000
    assert said == ["Digits; checkpoint abc; features of eeeeeeeeeeee; n = 1, 40, 60; seed 0"]


def test_a_sweep_of_checkpoints_names_each_line_by_its_checkpoint(tmp_path, monkeypatch):
    provenance = {"extractor_sha256": "e" * 64, "train_statistics_sha256": "s" * 64, "versions": {}}
    for k, (name, steps) in enumerate(product(("outputs/linear", "outputs/cosine"), (10, 20))):
        record = {"overrides": {"checkpoint": name, "sampler.steps": steps}, "nfe": steps, "num_images": 100}
        record |= {"samples": {"fid": 3.0}, "floor": {"fid": 2.0}, "provenance": provenance, "seconds": 1.0}
        (tmp_path / str(k)).mkdir()
        asked = {"asked": {"seed": 0, "checkpoint_sha256": name[-1] * 64}}
        write_json(record | asked, tmp_path / str(k) / "evaluation.json")
    rows = EvaluationTable().write(tmp_path)
    assert [row["checkpoint"] for row in rows] == ["outputs/cosine"] * 2 + ["outputs/linear"] * 2
    assert {row["checkpoint_sha256"] for row in rows} == {"e" * 12, "r" * 12}
    named = []
    monkeypatch.setattr("matplotlib.axes.Axes.plot", lambda *_, label, **__: named.append(label))
    assert EvaluationTable().plot(rows, tmp_path)
    assert named == ["checkpoint=outputs/cosine", "checkpoint=outputs/linear"]


def test_a_study_of_the_clamp_draws_what_it_changes_a_line_for_each_clamp(tmp_path, monkeypatch):
    from diffusion_lightning import figures

    drawn, draw_lines = [], figures.draw_lines
    monkeypatch.setattr(
        "diffusion_lightning.figures.draw_lines",
        lambda axis, rows, x, y, by: (drawn.append((x, y, by)), draw_lines(axis, rows, x, y, by)),
    )
    figure = {"fid": 2.0, "accuracy": 0.9, "colour_distance": 1.0, "fid_floor": 1.0}
    rows = [
        {"sampler": s, "sampler.steps": 50, "clamp": c, "guidance.scale": w, "nfe": nfe, **figure}
        for s, nfe in (("ddim", 50), ("predictor_corrector", 100))
        for c in ("none", "static")
        for w in (1, 3)
    ]
    assert EvaluationTable().plot(rows, tmp_path).stat().st_size > 10_000
    by = ["sampler", "sampler.steps", "clamp"]
    assert drawn == [("guidance.scale", y, by) for y in ("fid", "accuracy", "colour_distance")]

    drawn.clear()
    rows = [{"sampler": s, "nfe": nfe, **figure} for s, nfe in (("ddim", 50), ("ddpm", 1000))]
    assert EvaluationTable().plot(rows, tmp_path)
    assert drawn == [("nfe", "fid", ["sampler"])]


def test_lines_of_one_sampler_have_one_colour_and_the_dashes_tell_the_clamp():
    from diffusion_lightning.figures import draw_lines, new_figure

    samplers, clamps = [f"s{i}" for i in range(6)], ("none", "static")
    settings = product(samplers, clamps, (1, 3))
    rows = [{"sampler": s, "order": 2, "clamp": c, "w": w, "fid": w} for s, c, w in settings]
    axis = new_figure(4, [4])[1][0].subplots()
    draw_lines(axis, rows, "w", "fid", ["sampler", "order", "clamp"])
    lines = {line.get_label(): (line.get_color(), line.get_linestyle()) for line in axis.lines}
    assert len(lines) == len(set(lines.values())) == 12
    for clamp, dash in zip(clamps, ("-", "--"), strict=True):
        assert [lines[f"sampler={s}, clamp={clamp}"] for s in samplers] == [(f"C{i}", dash) for i in range(6)]


def test_a_key_names_each_line_once_for_all_panels_below_them_and_not_over_them():
    from diffusion_lightning.figures import draw_lines, legend_below, new_figure

    figure, (part,) = new_figure(12, [4])
    names = [f"outputs/{'x' * 30}{i}" for i in range(7)]
    rows = [{"checkpoint": name, "w": w, "fid": w} for name in names for w in (1, 3)]
    for axis in part.subplots(1, 2):
        draw_lines(axis, rows, "w", "fid", ["checkpoint"])
    legend_below(part)
    figure.draw_without_rendering()
    (legend,) = part.legends
    assert [text.get_text() for text in legend.get_texts()] == [f"checkpoint={name}" for name in names]
    key = legend.get_window_extent()
    assert figure.get_figheight() > 4 and key.x0 >= 0 and key.x1 <= figure.bbox.x1
    assert all(axis.get_window_extent().y0 > key.y1 for axis in part.axes)


def test_jobs_that_write_one_table_at_a_time_leave_it_whole(tmp_path):
    table = tmp_path / "sweep.csv"
    table.write_text("before")
    with atomic_write(table, writer="slow") as slow:
        slow.write("slow, first half")
        assert table.read_text() == "before"
        with atomic_write(table, writer="quick") as quick:
            quick.write("quick")
        assert table.read_text() == "quick"
        slow.write(", second half")
    assert table.read_text() == "slow, first half, second half"
    with pytest.raises(OSError), atomic_write(table) as file:
        file.write("half")
        raise OSError
    assert table.read_text() == "slow, first half, second half"


class Returned(JobReturn):
    def __init__(self, value):
        failed = isinstance(value, Exception)
        super().__init__(status=JobStatus.FAILED if failed else JobStatus.COMPLETED, _return_value=value)


@pytest.mark.parametrize("command", ["train", "sample", "evaluate", "train_extractor"])
@pytest.mark.parametrize(
    ("sweeper", "worst"),
    [
        ([], float("inf")),
        (["hydra/sweeper=optuna"], float("inf")),
        (["hydra/sweeper=optuna", "hydra.sweeper.direction=maximize"], -float("inf")),
    ],
    ids=str,
)
def test_a_failure_is_recorded_and_the_worst_result(command, sweeper, worst, tmp_path):
    options = ["hydra.mode=MULTIRUN", f"hydra.sweep.dir={tmp_path}", "seed=3", *sweeper]
    config = composed(command, "+hydra.runtime.output_dir=" + str(tmp_path / "job"), *options)
    HydraConfig.instance().set_config(config)
    result(tmp_path, "job", None)
    (node,) = config.hydra.callbacks.values()
    job = instantiate(node)

    def ends_with(value):
        job.on_multirun_start(config)
        returned = Returned(value)
        job.on_job_end(config, returned)
        return returned.return_value

    with open_dict(config):
        config.setdefault("optimized_metric", "val/loss")
    for error, line in ((UserError("lr is 1e30."), "lr is 1e30."), (KeyError("a bug"), "KeyError: 'a bug'")):
        assert ends_with(error) == worst
        record = json.loads((tmp_path / "job" / "failed.json").read_text())
        assert record == {"overrides": {"seed": 3.0}, "error": line}
        with pytest.raises(SystemExit, match="failed"):
            job.on_multirun_end(config)
        job.on_multirun_start(config)
        job.on_multirun_end(config)  # nothing failed since then
    assert ends_with(float("nan")) == worst and not (tmp_path / "job" / "failed.json").exists()
    assert ends_with(0.5) == 0.5
    assert ends_with(None) == (worst if sweeper else None)


@pytest.mark.slow
def test_joblib_runs_jobs_side_by_side_on_gpus_of_their_own(tmp_path, monkeypatch):
    """A job that fails is in the last row of the leaderboard."""
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    gpu = "data_dir='${oc.env:CUDA_VISIBLE_DEVICES}'"  # where the digits are not looked for
    options = [*SMALL, gpu, "seed=0,1,-1", "hydra/launcher=joblib", "hydra.sweep.dir=sweep"]
    done = run("train.py", "-m", *options, cwd=tmp_path)
    assert done.returncode != 0 and "seed is -1" in done.stderr
    *rows, failed = leaderboard(tmp_path / "sweep")
    assert sorted(row["seed"] for row in rows) == ["0.0", "1.0"]
    assert failed["seed"] == "-1.0" and "seed is -1" in failed["failed"] and not failed["val/loss"]
    assert float(rows[0]["val/loss"]) < float(rows[1]["val/loss"])
    assert {checkpoint(tmp_path / "sweep", row)["hyper_parameters"]["data_dir"] for row in rows} <= {"0", "1"}


@pytest.mark.slow
def test_a_submitted_sweep_goes_on_where_it_stopped(tmp_path):
    options = [*SMALL, "schedule=linear,cosine", "hydra.sweep.dir=sweep"]
    succeed("train.py", "-m", *options, "hydra/launcher=submitit_local", cwd=tmp_path)
    assert len([*tmp_path.glob("sweep/.submitit/*/*_result.pkl")]) == 2
    first, second = rows = leaderboard(tmp_path / "sweep")
    assert {row["schedule"] for row in rows} == {"linear", "cosine"}

    def files():
        kept = "checkpoints/*", "samples/*", "metrics.csv"
        found = [path for name in kept for path in (tmp_path / "sweep" / first["folder"]).glob(name)]
        return {path: path.stat().st_mtime_ns for path in found}

    before = files()
    assert len(before) == 4
    job = tmp_path / "sweep" / second["folder"]
    (job / "result.json").unlink()
    (job / "checkpoints" / "last.ckpt").unlink()
    done = succeed("train.py", "-m", *options, "resume=true", "data_dir=elsewhere", cwd=tmp_path)
    assert done.stdout.count("finished already") == 1
    assert files() == before and (job / "checkpoints" / "last.ckpt").exists()
    assert leaderboard(tmp_path / "sweep") == rows


@pytest.mark.slow
def test_optuna_finds_the_best_of_its_trials_and_goes_on_with_the_same(tmp_path):
    options = [*SMALL, "hydra/sweeper=optuna", "optimizer.lr=tag(log, interval(1e-4, 1e-1))"]
    options += ["hydra.sweep.dir=sweep", "optimized_metric=val/loss_t0-25"]
    succeed("train.py", "-m", *options, "hydra.sweeper.n_trials=2", cwd=tmp_path)
    done = succeed("train.py", "-m", *options, "hydra.sweeper.n_trials=3", "resume=true", cwd=tmp_path)
    assert done.stdout.count("finished already") == 2
    rows = leaderboard(tmp_path / "sweep")
    losses = [float(row["val/loss_t0-25"]) for row in rows]
    assert len(rows) == 3 and losses == sorted(losses)
    assert next(iter(rows[0])) == "val/loss_t0-25" and not {"optimized_metric", "resume"} & rows[0].keys()
    found = OmegaConf.load(tmp_path / "sweep" / "optimization_results.yaml")
    assert found.best_value == pytest.approx(losses[0], rel=1e-6)
    assert found.best_params["optimizer.lr"] == pytest.approx(float(rows[0]["optimizer.lr"]))


@pytest.mark.slow
def test_a_search_goes_on_when_a_trial_diverges_and_when_it_draws_one_again(tmp_path):
    """Resumed, too; the failure counts as the worst, and a trial that was drawn before as it did then."""
    options = [*SMALL, "hydra/sweeper=optuna", "optimizer.lr=choice(1e-3,1e30)", "hydra.sweep.dir=sweep"]
    options += ["callbacks.sample_grid=null"]
    for more in (["hydra.sweeper.n_trials=3"], ["hydra.sweeper.n_trials=5", "resume=true"]):
        done = run_here("train.py", "-m", *options, *more, cwd=tmp_path)
        assert done.returncode == 1, done.stderr
        line = done.stderr.splitlines()[-1]
        assert "a job of the sweep failed" in line and "the gradient is not finite" in line
        good, bad = leaderboard(tmp_path / "sweep")
        assert (good["optimizer.lr"], bad["optimizer.lr"]) == ("0.001", "1e+30")
        assert good["failed"] == "" and "the gradient is not finite" in bad["failed"]
        found = OmegaConf.load(tmp_path / "sweep" / "optimization_results.yaml")
        assert found.best_params["optimizer.lr"] == 1e-3
        assert found.best_value == pytest.approx(float(good["val/loss"]), rel=1e-6)


@pytest.mark.parametrize("sweeper", names("hydra/sweeper"))
def test_a_choice_that_is_not_there_is_refused_before_the_first_trial(sweeper, tmp_path):
    options = [f"hydra/sweeper={sweeper}", "schedule=choice(linear,nothing)", "hydra.sweep.dir=sweep"]
    done = run_here("train.py", "-m", *options, cwd=tmp_path)
    assert done.returncode == 1 and "there is no schedule=nothing; choose schedule= from" in done.stderr
    assert not list(tmp_path.glob("sweep/*/*"))


def test_without_slurm_its_launcher_is_one_clear_line(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    options = ["hydra/launcher=submitit_slurm", "seed=0,1", "hydra.sweep.dir=sweep"]
    refused = run_here("train.py", "-m", *options, cwd=tmp_path)
    assert refused.returncode == 1 and refused.stderr.count("\n") == 1
    assert 'Could not detect "srun"' in refused.stderr
