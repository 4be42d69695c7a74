"""Folders of runs, written by the project's own writers without a training."""

import csv
import shutil
from types import SimpleNamespace

import torch
from omegaconf import OmegaConf

from diffusion_lightning.files import write_json
from diffusion_lightning.images import save_png
from diffusion_lightning.loggers import MetricsCSV
from tests.support.command import ROOT

SAVED = ROOT / "tests" / "made_at_e9b7708" / "linear" / "checkpoints" / "last.ckpt"

LOSSES = (1.0, 0.5, 0.25, 0.2)

CONFIG = {
    "seed": 3,
    "schedule": {"_target_": "diffusion_lightning.Linear", "T": 1000},
    "optimizer": {"_target_": "torch.optim.Adam", "lr": 1e-3},
    "dataset": {"_target_": "diffusion_lightning.Digits", "class_names": None},
    "trainer": {"max_epochs": len(LOSSES)},
    "images_sha256": "a" * 64,
    "versions": {"torch": "2.9.0", "commit": "c" * 40},
}


def write_run(folder, losses=LOSSES, config=CONFIG, finished=True, pictures=True, overrides=("seed=3",)):
    """A run of ten steps of 64 images an epoch, with a validation loss, an FID and a grid after each."""
    (folder / "checkpoints").mkdir(parents=True)
    module, logger = SimpleNamespace(images_seen=0), MetricsCSV(str(folder))
    logger.log_graph(module)
    for epoch, loss in enumerate(losses):
        step = 10 * epoch + 9
        logger.log_metrics({"lr-Adam": 1e-3}, step)
        module.images_seen = 640 * (epoch + 1)
        logger.log_metrics({"train/loss": loss + 0.1, "train/images_per_second": 500.0, "epoch": epoch}, step)
        logger.log_metrics({"val/loss": loss, "fid": 100 * loss, "fid_floor": 0.7, "epoch": epoch}, step)
        if pictures:
            save_png(torch.full((3, 12, 10), 40 * (epoch % 6), dtype=torch.uint8), grid(folder, step + 1))
    logger.save()
    OmegaConf.save(OmegaConf.create(config), folder / "hparams.yaml")
    (folder / ".hydra").mkdir()
    OmegaConf.save(OmegaConf.create(list(overrides)), folder / ".hydra" / "overrides.yaml")
    save_checkpoint(folder / "checkpoints" / "last.ckpt", finished)
    return folder


def grid(folder, step):
    return folder / "samples" / f"step_{step:07d}.png"


def save_checkpoint(file, finished=True):
    file.parent.mkdir(parents=True, exist_ok=True)
    if finished:
        shutil.copy(SAVED, file)
    else:
        torch.save(torch.load(SAVED, weights_only=True) | {"finished": False}, file)


def write_evaluation(folder, checkpoint_sha256="", fid=12.5, **changes):
    """The record of an evaluation of 100 images."""
    record = {
        "format": 2,
        "num_images": 100,
        "nfe": 20,
        "seconds": 1.5,
        "samples": {"fid": fid, "kid": None, "accuracy": 0.75},
        "floor": {"fid": 0.71, "kid": 0.001, "accuracy": 0.98},
        "floor_same_n": {"fid": 2.25, "accuracy": 0.97},
        "reasons": {"samples": {"kid": "too few images"}},
        "asked": {"checkpoint_sha256": checkpoint_sha256, "seed": 0, "weights": "ema"},
        "provenance": {"data": "Digits", "versions": {"torch": "2.9.0"}},
    }
    folder.mkdir(parents=True)
    write_json(record | changes, folder / "evaluation.json")
    return folder


def write_failure(folder, error):
    folder.mkdir(parents=True, exist_ok=True)
    write_json({"overrides": {"optimizer.lr": 1e20}, "error": error}, folder / "failed.json")


def write_table(folder, rows, name="sweep.csv"):
    with (folder / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
