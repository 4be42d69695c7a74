"""An evaluation's figures: a table on the screen, files in a folder, and the loggers."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from diffusion_lightning.data.base import SampleData
from diffusion_lightning.evaluation.measure import MeasuredImages
from diffusion_lightning.evaluation.reading import RECORD, cell, doubts, set_titles
from diffusion_lightning.files import write_json
from diffusion_lightning.images import grid_columns
from diffusion_lightning.samples import save_grid
from diffusion_lightning.sampling.labels import class_captions

if TYPE_CHECKING:
    from rich.table import Table

log = logging.getLogger(__name__)

GRID_IMAGES = 100
"""Images in the grid."""


def save_report(
    record: dict[str, Any], images: MeasuredImages, out: Path, named: SampleData | None, title: str = ""
) -> None:
    """Write evaluation.json and samples.png, and print the table.

    Args:
        record: what is written.
        images: the images that were measured.
        out: the folder.
        named: the data that name the classes in the picture; None for a bare picture.
        title: of the picture.
    """
    from rich.console import Console

    first = images.pixels[:GRID_IMAGES]
    labels = images.statistics.labels[:GRID_IMAGES]
    columns = grid_columns(len(first), len(labels.unique()))
    facts = (named.num_classes, named.class_names) if named else None
    captions = class_captions(labels.tolist(), columns, *facts, title) if facts else None
    save_grid(first, out / "samples.png", columns, captions)
    write_json(record, out / RECORD)
    Console().print(table(record))
    for line in doubts(record):
        log.warning(line)
    log.info("%d images: %s", record["num_images"], out)
    if (record["samples"].get("copies") or 0) > 0.5:
        log.warning("most of the images are training images: this does not evaluate a model")


def table(record: dict[str, Any]) -> "Table":
    """One row per figure: of the images, and of as many and of all test images, which are the floor."""
    from rich.table import Table

    titles = set_titles(record)
    drawn = Table("", *titles.values(), title="beside test images, as the floor")
    for name in record["samples"]:
        drawn.add_row(name, *(cell(record[key], name) for key in titles))
    return drawn


def log_report(loggers: Sequence[Any], record: dict[str, Any], out: Path) -> None:
    """Give figures and images to the loggers."""
    from torchvision.io import read_image

    from diffusion_lightning.loggers import log_image

    for logger in loggers:
        logger.log_hyperparams(record["asked"])
        figures = {name: value for name, value in record["samples"].items() if value is not None}
        logger.log_metrics({f"evaluation/{name}": value for name, value in figures.items()})
        for picture in sorted(out.glob("*.png")):
            log_image(logger, f"evaluation/{picture.stem}", read_image(str(picture)), 0)
        logger.finalize("success")
