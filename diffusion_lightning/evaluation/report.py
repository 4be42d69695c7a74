"""An evaluation's figures, for people: a table on the screen, files in a folder, and the loggers."""

import json
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from diffusion_lightning.evaluation.measure import Images
from diffusion_lightning.evaluation.record import RECORD
from diffusion_lightning.images import grid_columns, save_grid
from diffusion_lightning.training.callbacks.sample_grid import log_image

log = logging.getLogger(__name__)

SHOWN = 100
"""Images in the grid."""


def save_report(record: dict[str, Any], images: Images, out: Path) -> None:
    """Write evaluation.json and samples.png, and print the table."""
    first = images.pixels[:SHOWN]
    labels = images.statistics.labels[:SHOWN]
    save_grid(first, out / "samples.png", grid_columns(len(first), len(labels.unique())))
    unfinished = out / f"{RECORD}.unfinished"
    unfinished.write_text(json.dumps(record, indent=2) + "\n")
    unfinished.replace(out / RECORD)
    Console().print(table(record))
    log.info("%d images: %s", record["num_images"], out)
    if record["samples"].get("copies", 0) > 0.5:
        log.warning("most of the images are training images: this is no evaluation of a model")


def table(record: dict[str, Any]) -> Table:
    """A row a figure: the images', and those of as many (or all) test images, which are the floor."""
    columns = {f"{record['num_images']} images": record["samples"]}
    if "floor_same_n" in record:
        columns["as many test images"] = record["floor_same_n"]
    columns["all test images"] = record["floor"]
    drawn = Table("", *columns, title="beside real images, as the floor")
    for name in record["samples"]:
        drawn.add_row(name, *(f"{values[name]:.5g}" if name in values else "" for values in columns.values()))
    return drawn


def log_report(loggers: Sequence[Any], record: dict[str, Any], out: Path) -> None:
    """Hand figures and pictures to the loggers."""
    from torchvision.io import read_image

    for logger in loggers:
        logger.log_hyperparams(record["asked"])
        logger.log_metrics({f"evaluation/{name}": value for name, value in record["samples"].items()})
        for picture in sorted(out.glob("*.png")):
            log_image(logger, f"evaluation/{picture.stem}", read_image(str(picture)), 0)
        logger.finalize("success")
