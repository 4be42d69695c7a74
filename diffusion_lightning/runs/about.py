"""What a run is, at a glance, and where it comes from."""

from datetime import datetime

from diffusion_lightning.captions import data_title
from diffusion_lightning.hashing import file_sha256
from diffusion_lightning.runs.run import Run
from diffusion_lightning.runs.tables import Named, Table, said, side_by_side

PARTS = "network", "schedule", "parameterization", "objective", "times", "guidance", "optimizer"
"""The parts of a config that a run is told by at a glance."""


def at_a_glance(runs: Named) -> Table:
    """State, length, data and parts of runs, side by side."""
    rows: dict[str, list[str]] = {
        "state": [run.state for run in runs.values()],
        "data": [data_title(run.config) if run.group("dataset") else "" for run in runs.values()],
        "images seen": [_images(run) for run in runs.values()],
        "epochs": [_epochs(run) for run in runs.values()],
        **{part: [said(run.config.get(part)) for run in runs.values()] for part in PARTS},
        "command line": [" ".join(run.overrides) for run in runs.values()],
    }
    return side_by_side("at a glance", runs, rows)


def provenance(runs: Named) -> Table:
    """Versions, seed, hashes and files of runs, side by side."""
    rows: dict[str, list[str]] = {
        "folder": [str(run.folder) for run in runs.values()],
        "seed": [said(run.config.get("seed")) for run in runs.values()],
        "versions": [_versions(run) for run in runs.values()],
        "data (SHA-256)": [run.config.get("images_sha256") or "" for run in runs.values()],
        "started from": [run.config.get("init") or "" for run in runs.values()],
        "last checkpoint": [_last_checkpoint(run) for run in runs.values()],
        "its SHA-256": [_hash(run) for run in runs.values()],
    }
    return side_by_side("where it comes from", runs, rows)


def _images(run: Run) -> str:
    seen = run.metrics.last().get("images_seen")
    return "" if seen is None else f"{seen:,.0f}"


def _epochs(run: Run) -> str:
    limit = run.group("trainer").get("max_epochs")
    of = f" of {limit}" if isinstance(limit, int) and limit > 0 else ""
    return f"{run.saved.epoch}{of}" if run.saved else ""


def _versions(run: Run) -> str:
    versions = run.group("versions") or (run.saved.versions if run.saved else {})
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _last_checkpoint(run: Run) -> str:
    if not run.checkpoint.is_file():
        return ""
    written = datetime.fromtimestamp(run.checkpoint.stat().st_mtime).isoformat(" ", "minutes")
    step = f", after {run.saved.step:,} steps" if run.saved else ""
    return f"checkpoints/{run.checkpoint.name}{step}, written {written}"


def _hash(run: Run) -> str:
    return file_sha256(run.checkpoint) if run.checkpoint.is_file() else ""
