"""The results of a sweep as one table and its plots.

Sweeps (`-m`) of `train.py` and `evaluate.py` write it; for the folder of a sweep it is written again by
`python -m diffusion_lightning.commands.sweep_tables <sweep folder>`.
"""

import logging
import math
from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.utils import instantiate
from omegaconf import DictConfig

from diffusion_lightning.commands.interrupts import interruptible
from diffusion_lightning.commands.output import readers_may_go_away
from diffusion_lightning.commands.run_names import process_number
from diffusion_lightning.commands.sweep_jobs import SweepJobs, failures
from diffusion_lightning.config.changed import changed
from diffusion_lightning.files import read_json, write_json
from diffusion_lightning.tables import write_csv, write_markdown

log = logging.getLogger(__name__)

QUALITIES = "fid", "accuracy", "colour_distance"
"""Figures that are plotted against the guidance scale."""

AXES = {
    "nfe": "evaluations of the network per walk",
    "guidance.scale": "guidance scale w",
    "fid": "FID: Fréchet distance to the training images",
    "accuracy": "fraction of images of their class",
    "colour_distance": "distance of the mean colours, in levels",
}
"""What is along an axis."""

RESULT = "result.json"
"""The file with the result of a training in a sweep, written when it is finished."""

Row = dict[str, Any]


class SweepTable(SweepJobs, ABC):
    """Writes `<name>.csv` and `<name>.md` after every job; at the end `<name>.png`, and logs all to W&B.

    Jobs that failed are at the end of the table, with their error.
    """

    name = "study"

    @abstractmethod
    def rows(self, folder: Path) -> list[Row]:
        """One row per finished job, in order: its overrides, its figures, and their provenance."""

    def plot(self, rows: Sequence[Row], folder: Path) -> Path | None:
        """Draw `<name>.png` and return its path; None if there is nothing to draw."""
        return None

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Update the table; a single run has none."""
        super().on_job_end(config, job_return, **kwargs)
        if config.hydra.mode.name == "MULTIRUN":
            self.write(Path(config.hydra.sweep.dir))

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Draw the plots, and log table and plots to W&B."""
        folder = Path(config.hydra.sweep.dir)
        try:
            rows = self.write(folder)
            if not rows:
                return
            picture = self.plot(_finished(rows), folder)
            print(f"{self.name}: {folder / self.name}.md")
            if config.get("logger") and "wandb" in config.logger:
                self._to_wandb(config, folder, rows, picture)
        finally:  # Hydra would only warn of an error before
            super().on_multirun_end(config, **kwargs)

    def write(self, folder: Path) -> list[Row]:
        """Write the table as CSV and Markdown, and return its rows."""
        failed = failures(folder)
        names = {row["folder"] for row in failed}
        rows = _filled([row for row in self.rows(folder) if row["folder"] not in names] + failed)
        if rows:
            write_csv(rows, folder / f"{self.name}.csv")
            write_markdown(rows, folder / f"{self.name}.md")
        return rows

    def _to_wandb(self, config: DictConfig, folder: Path, rows: Sequence[Row], picture: Path | None) -> None:
        logger = instantiate(changed(config, {"paths.run_dir": str(folder)}).logger.wandb)
        columns, data = list(rows[0]), [list(row.values()) for row in rows]
        logger.log_table(f"{self.name}_table", columns=columns, data=data)
        if picture:
            logger.log_image(f"{self.name}_plots", [str(picture)])
        logger.experiment.finish()


class EvaluationTable(SweepTable):
    """The table of `evaluate.py -m`: FID against network evaluations, and against the guidance scale."""

    def rows(self, folder: Path) -> list[Row]:
        """One row per evaluation.json, ordered by the overrides."""
        from diffusion_lightning.evaluation.reading import RECORD

        rows = [
            _evaluation(read_json(file)) | {"folder": file.parent.name} for file in folder.glob(f"*/{RECORD}")
        ]
        return sorted(_filled(rows), key=_by_value)

    def plot(self, rows: Sequence[Row], folder: Path) -> Path | None:
        """FID against NFE, and qualities against w; one line per setting of the other overrides."""
        from diffusion_lightning.figures import draw_lines, legend_below, new_figure

        if not rows:
            return None
        settings = list(rows[0])[: list(rows[0]).index("nfe")]
        panels = [
            ("nfe", "fid", "sampler.steps"),
            *(("guidance.scale", y, "guidance.scale") for y in QUALITIES),
        ]
        # Without an override along it, what is measured along the axis tells whether there is a curve
        panels = [
            (x, y, along)
            for x, y, along in panels
            if len({row.get(along, row[x]) for row in _having(rows, x, y)}) > 1
        ]
        if not panels:
            return None
        figure, (part,) = new_figure(6 * len(panels), [4.5], _title(rows))
        for axis, (x, y, along) in zip(part.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
            draw_lines(axis, _having(rows, x, y), x, y, [name for name in settings if name != along])
            if y == "fid":
                axis.set_yscale("log")
            if y == "fid" and rows[0]["fid_floor"] != "":
                axis.axhline(rows[0]["fid_floor"], color="grey", ls="--", label="test images (the floor)")
            axis.set(xlabel=AXES.get(x, x), ylabel=AXES.get(y, y))
            if x == "nfe":
                axis.set_xscale("log", base=2)
                axis.xaxis.set_major_formatter("{x:g}")
        legend_below(part)
        figure.savefig(folder / "study.png")
        return folder / "study.png"


class TrainingTable(SweepTable):
    """The table of `train.py -m`: the last value of every metric, smallest `optimized_metric` first."""

    name = "sweep"

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Write the result of a finished job, and update the table."""
        if process_number():
            return
        from diffusion_lightning.evaluation.record import overrides
        from diffusion_lightning.loggers import last_values

        if config.hydra.mode.name == "MULTIRUN" and job_return.status == JobStatus.COMPLETED:
            folder = Path(config.hydra.runtime.output_dir)
            result = {
                "optimized_metric": config.optimized_metric,
                "overrides": overrides(),
                "metrics": last_values(folder / "metrics.csv"),
            }
            write_json(result, folder / RESULT)
        super().on_job_end(config, job_return, **kwargs)

    def rows(self, folder: Path) -> list[Row]:
        """One row per result.json, the best first."""
        results = [(read_json(file), file.parent.name) for file in folder.glob(f"*/{RESULT}")]
        return [
            _training(result) | {"folder": name}
            for result, name in sorted(results, key=lambda named: _score(named[0]))
        ]


def _evaluation(record: dict[str, Any]) -> Row:
    from diffusion_lightning.evaluation.reading import by_reason

    source, asked = record["provenance"], record["asked"]
    floor, reasons = record.get("floor_same_n", record["floor"]), record.get("reasons", {}).get("samples", {})
    doubts = "; ".join(f"{names}: {reason}" for reason, names in by_reason(reasons).items())
    return {
        **record["overrides"],
        "nfe": record["nfe"],
        **{name: _known(value) for name, value in record["samples"].items()},
        **({"fid_floor": _known(floor["fid"])} if "fid" in floor else {}),
        **({"reasons": doubts} if doubts else {}),
        "num_images": record["num_images"],
        "seed": asked["seed"],
        "seconds": record["seconds"],
        "data": source.get("data", ""),
        "checkpoint_sha256": asked.get("checkpoint_sha256", "")[:12],
        "extractor_sha256": source["extractor_sha256"][:12],
        "train_statistics_sha256": source["train_statistics_sha256"][:12],
        "versions": " ".join(f"{name}={number}" for name, number in source["versions"].items()),
    }


def _title(rows: Sequence[Row]) -> str:
    """Data, model, features, numbers of images and seeds of a study, as far as they are known."""
    names = {
        "data": "",
        "checkpoint_sha256": "checkpoint ",
        "extractor_sha256": "features of ",
        "num_images": "n = ",
        "seed": "seed ",
    }
    said = []
    for column, name in names.items():
        values = dict.fromkeys(str(row[column]) for row in rows if row.get(column, "") != "")
        said += [name + ", ".join(values)] if values else []
    return "; ".join(said)


def _training(result: dict[str, Any]) -> Row:
    name, metrics = result["optimized_metric"], result["metrics"]
    metrics = {key: _known(value) for key, value in metrics.items()}
    return {name: metrics.get(name, "")} | result["overrides"] | metrics


def _known(value: float | None) -> float | str:
    """The value of a cell, which is empty for null."""
    return "" if value is None else value


def _score(result: dict[str, Any]) -> tuple[bool, float]:
    """The key of the order: smaller is better, and NaN or no value is worst."""
    value = result["metrics"].get(result["optimized_metric"])
    value = math.nan if value is None else value
    return math.isnan(value), value


def _finished(rows: Sequence[Row]) -> list[Row]:
    """The rows of the jobs that did not fail."""
    return [row for row in rows if not row.get("failed")]


def _filled(rows: list[Row]) -> list[Row]:
    """The rows, each with the columns of all rows."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name, "") for name in columns} for row in rows]


def _by_value(row: Row) -> list[tuple[bool, float, str]]:
    """The key of the order: by the first column, then the next; numbers before text."""
    return [(isinstance(x, str), 0.0 if isinstance(x, str) or x is None else x, str(x)) for x in row.values()]


def _having(rows: Sequence[Row], *columns: str) -> list[Row]:
    """The rows with a value in each of these columns: unconditional images have no accuracy."""
    return [row for row in rows if "" not in [row.get(name, "") for name in columns]]


def main() -> None:
    """Write the table and the plots of the folder of a sweep again."""
    with readers_may_go_away():
        parser = ArgumentParser(description=main.__doc__)
        parser.add_argument("folder", help="the folder of the sweep")
        folder = Path(parser.parse_args().folder).expanduser()
        from diffusion_lightning.evaluation.reading import RECORD

        table: SweepTable = EvaluationTable() if any(folder.glob(f"*/{RECORD}")) else TrainingTable()
        rows = table.write(folder)
        if not rows:
            raise SystemExit(f"error: no jobs that have ended in {folder}; give the folder of a sweep.")
        print(table.plot(_finished(rows), folder) or folder / f"{table.name}.md")


if __name__ == "__main__":
    with interruptible():
        main()
