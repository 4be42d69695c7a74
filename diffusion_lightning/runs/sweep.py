"""What the folder of a sweep holds: its table, and the runs of its jobs."""

from dataclasses import dataclass
from pathlib import Path

from diffusion_lightning.errors import UserError
from diffusion_lightning.files import read_csv
from diffusion_lightning.runs.run import Run, is_run

TABLES = "sweep.csv", "study.csv"
"""The leaderboard of `train.py -m`, and the table of `evaluate.py -m`."""


@dataclass(frozen=True)
class Sweep:
    """A sweep, as its folder is at this moment.

    Args:
        folder: the sweep's.
        rows: its table; the jobs that failed are last, with their error in `failed`.
        runs: name of a job's folder → its run, those of the table first.
    """

    folder: Path
    rows: tuple[dict[str, str], ...]
    runs: dict[str, Run]

    @classmethod
    def read(cls, folder: Path | str) -> "Sweep":
        """The sweep in a folder, or any folder of runs.

        Raises:
            UserError: if there is none.
        """
        folder = Path(folder)
        tables = [folder / name for name in TABLES if (folder / name).is_file()]
        rows = list(read_csv(tables[0])) if tables else []
        jobs = [path.name for path in sorted(folder.iterdir()) if is_run(path)]
        if not rows and not jobs:
            raise UserError(f"{folder} holds no runs; give the folder of a run or of a sweep.")
        ordered = dict.fromkeys([*(row.get("folder", "") for row in rows), *jobs])
        return cls(folder, tuple(rows), {name: Run.read(folder / name) for name in ordered if name in jobs})


def read(folder: Path | str) -> Run | Sweep:
    """The run or the sweep in a folder.

    Raises:
        UserError: if there is none.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"no folder {folder}; give the folder of a run or of a sweep.")
    return Run.read(folder) if is_run(folder) else Sweep.read(folder)
