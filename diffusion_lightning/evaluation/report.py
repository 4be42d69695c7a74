"""An evaluation's figures: a table on the screen, files in a folder, and the loggers."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from diffusion_lightning.evaluation.measure import MeasuredImages
from diffusion_lightning.evaluation.record import RECORD
from diffusion_lightning.files import atomic_write
from diffusion_lightning.images import grid_columns, save_grid
from diffusion_lightning.loggers import log_image

log = logging.getLogger(__name__)

GRID_IMAGES = 100
"""Images in the grid."""


def save_report(record: dict[str, Any], images: MeasuredImages, out: Path) -> None:
    """Write evaluation.json and samples.png, and print the table."""
    first = images.pixels[:GRID_IMAGES]
    labels = images.statistics.labels[:GRID_IMAGES]
    save_grid(first, out / "samples.png", grid_columns(len(first), len(labels.unique())))
    with atomic_write(out / RECORD) as file:
        file.write(json.dumps(record, indent=2) + "\n")
    Console().print(table(record))
    log.info("%d images: %s", record["num_images"], out)
    if record["samples"].get("copies", 0) > 0.5:
        log.warning("most of the images are training images: this does not evaluate a model")


def table(record: dict[str, Any]) -> Table:
    """One row per figure: of the images, and of as many and of all test images, which are the floor."""
    columns = {f"{record['num_images']} images": record["samples"]}
    if "floor_same_n" in record:
        columns["as many test images"] = record["floor_same_n"]
    columns["all test images"] = record["floor"]
    drawn = Table("", *columns, title="beside test images, as the floor")
    for name in record["samples"]:
        drawn.add_row(name, *(f"{values[name]:.5g}" if name in values else "" for values in columns.values()))
    return drawn


def log_report(loggers: Sequence[Any], record: dict[str, Any], out: Path) -> None:
    """Give figures and images to the loggers."""
    from torchvision.io import read_image

    for logger in loggers:
        logger.log_hyperparams(record["asked"])
        logger.log_metrics({f"evaluation/{name}": value for name, value in record["samples"].items()})
        for picture in sorted(out.glob("*.png")):
            log_image(logger, f"evaluation/{picture.stem}", read_image(str(picture)), 0)
        logger.finalize("success")
