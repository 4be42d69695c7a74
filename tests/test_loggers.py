"""A W&B run as it arrives: read back from the file that W&B uploads."""

import csv
import json

import numpy as np
import pytest
import torch
import yaml
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from PIL import Image

from diffusion_lightning.training.build import build_callbacks, build_module
from tests.support.command import ROOT
from tests.support.configs import composed
from tests.support.runs import succeed_apart, train_in
from tests.support.wandb_files import history, parts, records

API_KEY = "0123456789abcdef" * 2 + "01234567"


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Two epochs of three steps, each of twice 16 images; the second one resumed."""
    folder = tmp_path_factory.mktemp("wandb")
    args = ["network.width=8", "sampler.steps=2", "callbacks.sample_grid.num_images=10"]
    args += ["dataset.batch_size=16", "trainer.accumulate_grad_batches=2", "trainer.limit_train_batches=6"]
    args += ["trainer.limit_val_batches=2", "trainer.log_every_n_steps=1", "hydra.run.dir=run"]
    args += ["logger=wandb", "logger.wandb.offline=true"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WANDB_API_KEY", API_KEY)
        succeed_apart("train.py", *args, "trainer.max_epochs=1", cwd=folder)
        succeed_apart("train.py", *args, "trainer.max_epochs=2", "resume=true", cwd=folder)
    return folder / "run"


def checkpoint_config(run):
    return torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["hyper_parameters"]


def test_metrics_and_grids_come_with_the_images_seen(run):
    rows = history(run)

    def seen(name):
        return [row["images_seen"] for row in rows if name in row]

    assert seen("train/loss") == seen("train/images_per_second") == [32, 64, 96, 128, 160, 192]
    assert seen("val/loss") == seen("train/loss_t0-25") == seen("samples.filenames") == [96, 192]
    assert set(seen("lr-Adam")) == {0, 32, 64, 96, 128, 160}


def test_images_seen_are_the_axis_of_every_chart(run):
    # Of two definitions the later one holds
    defined = {metric.name or metric.glob_name: metric for metric in records(run, "metric")}
    assert defined["*"].step_metric == "images_seen"
    for name in ("val/loss", "fid", "kid"):
        assert defined[name].step_metric == "images_seen" and defined[name].summary.min


def test_every_number_of_the_csv_arrives_and_resuming_loses_none(run):
    with (run / "metrics.csv").open(newline="") as file:
        table = list(csv.DictReader(file))
    names = set(table[0]) - {"step"}
    written = [(int(row["step"]), name, float(row[name])) for row in table for name in names if row[name]]
    rows = [row for row in history(run) if "trainer/global_step" in row]  # the others are of grids
    arrived = [(row["trainer/global_step"], name, row[name]) for row in rows for name in names & set(row)]
    assert sorted(arrived) == sorted(written)
    assert {step for step, name, _ in arrived if name == "train/loss"} == set(range(6))


def test_grids_arrive_as_drawn(run):
    grids = [row["samples.filenames"] for row in history(run) if "samples.filenames" in row]
    for part, names, step in zip(parts(run), grids, (3, 6), strict=True):
        (arrived,) = [Image.open(part / "files" / name) for name in names]
        drawn = Image.open(run / "samples" / f"step_{step:07d}.png")
        assert np.array_equal(arrived.convert("RGB"), drawn.convert("RGB"))


def test_the_config_arrives_resolved_and_without_the_key(run):
    config = {item.key: json.loads(item.value_json) for c in records(run, "config") for item in c.update}
    config.pop("_wandb", None)
    assert config == checkpoint_config(run)
    assert config["network"]["image_size"] == 8 and config["trainer"]["accumulate_grad_batches"] == 2
    assert not any(API_KEY.encode() in path.read_bytes() for path in run.rglob("*") if path.is_file())


def test_a_resumed_run_stays_in_its_wandb_run(run):
    names = [part.name.rsplit("-", 1)[1] for part in parts(run)]
    assert names == [checkpoint_config(run)["logger"]["wandb"]["id"]] * 2


@pytest.mark.parametrize("logger", [path.stem for path in sorted((ROOT / "conf" / "logger").glob("*.yaml"))])
def test_every_logger_has_metrics_and_grids_over_the_images_seen(logger, run, tmp_path):
    """Where an epoch's end cuts a window of batches short, too; W&B's run is that of the other tests."""
    if logger != "wandb":
        options = [f"logger={logger}", "trainer.accumulate_grad_batches=4", "trainer.max_epochs=2"]
        options += ["trainer.log_every_n_steps=1", "callbacks.sample_grid.every_n_epochs=1"]
        train_in(tmp_path / "run", *options)
    seen = {"wandb": over_wandb, "tensorboard": over_tensorboard, "csv": over_csv}[logger](
        run if logger == "wandb" else tmp_path / "run"
    )
    assert seen["val/loss"] == seen["train/loss_t0-25"] == seen["samples/drift"] == [96, 192]
    assert seen["train/loss"] == ([32, 64, 96, 128, 160, 192] if logger == "wandb" else [64, 96, 160, 192])
    assert logger == "csv" or seen["samples"] == [96, 192]


def over_csv(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [int(float(row["images_seen"])) for row in rows if row[name]] for name in rows[0]}


def over_wandb(folder):
    rows = history(folder)
    names = {name.removesuffix(".filenames") for row in rows for name in row}
    return {
        name: [row["images_seen"] for row in rows if {name, f"{name}.filenames"} & row.keys()]
        for name in names
    }


def over_tensorboard(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(folder / "tensorboard")).Reload()
    tags = {name: found.Scalars(name) for name in found.Tags()["scalars"]}
    tags |= {name: found.Images(name) for name in found.Tags()["images"]}
    return {name: [event.step for event in events] for name, events in tags.items()}


SWEEP = yaml.safe_load((ROOT / "docs" / "wandb_sweep.yaml").read_text())
FIXED = [part for part in SWEEP["command"] if not part.startswith("${")]
VALUES = [
    (name, value)
    for name, parameter in SWEEP["parameters"].items()
    for value in parameter.get("values") or (parameter["min"], parameter["max"])
]


@pytest.mark.parametrize(("name", "value"), VALUES)
def test_every_value_of_the_sweep_trains(name, value, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "of the agent")
    cfg = composed("train", *FIXED, f"{name}={value}", "network.width=8")
    HydraConfig.instance().set_config(cfg)
    assert cfg.hydra.runtime.choices.get(name, OmegaConf.select(cfg, name)) == value
    build_module(cfg)
    build_callbacks(cfg)


def test_agents_of_a_sweep_keep_apart(run, monkeypatch):
    monkeypatch.setenv("WANDB_RUN_ID", "of the agent")
    cfg = composed("train", *FIXED)
    assert cfg.hydra.run.dir == "outputs/wandb_sweep/of the agent"
    assert cfg.logger.wandb.id == "of the agent"
    assert SWEEP["command"][-1] == "${args_no_hyphens}" and (ROOT / SWEEP["program"]).is_file()
    assert any(SWEEP["metric"]["name"] in row for row in history(run))
