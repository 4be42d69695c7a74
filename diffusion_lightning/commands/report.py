"""`diffusion-report`: a run or a sweep as one page of HTML, `diffusion-report outputs/mnist/<time>`."""

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from omegaconf import DictConfig

from diffusion_lightning.commands.folders import job_out, make_folder
from diffusion_lightning.commands.task import run_command
from diffusion_lightning.errors import UserError, check_at_least
from diffusion_lightning.files import atomic_write

if TYPE_CHECKING:
    from diffusion_lightning.runs.run import Run

log = logging.getLogger("report")


def report(cfg: DictConfig) -> Path:
    """Write the page as configured and return its path."""
    if not cfg.run:
        raise UserError("a report of what? Give the folder of a run or of a sweep.")
    check_at_least("pictures", cfg.pictures, 0, 100)
    out = job_out(cfg)
    if out.is_dir():
        raise UserError(f"out={out} is a folder; give a file, such as out={out / 'report.html'}.")
    if out.exists() and not cfg.overwrite:
        raise UserError(f"{out} exists: add overwrite=true, or choose another out=.")
    page = _page(cfg)
    make_folder(out.parent)
    with atomic_write(out) as file:
        file.write(page)
    log.info("%s: %s kB, which open without any other file", out, f"{len(page.encode()) // 1000:,}")
    return out


def _page(cfg: DictConfig) -> str:
    from diffusion_lightning.runs.page import run_page, sweep_page
    from diffusion_lightning.runs.run import Run
    from diffusion_lightning.runs.sweep import read

    found = read(cfg.run)
    if isinstance(found, Run):
        elsewhere = Path(cfg.evaluations) if cfg.evaluations else None
        return run_page([found, *_other(cfg.against)], elsewhere, cfg.pictures)
    if cfg.against:
        raise UserError(f"{cfg.run} is a sweep, whose jobs are side by side already: leave against= out.")
    return sweep_page(found)


def _other(folder: str | None) -> "list[Run]":
    """The run beside which the first is shown, if there is one."""
    from diffusion_lightning.runs.run import Run

    return [Run.read(folder)] if folder else []


def main() -> None:
    """The command line; the folder may come first, without `run=`."""
    first = sys.argv[1] if len(sys.argv) > 1 else "-"
    if first[:1] != "-" and ("=" not in first or os.path.lexists(first)):
        sys.argv[1] = f"run={first}"
    run_command(report, "report")


if __name__ == "__main__":
    main()
