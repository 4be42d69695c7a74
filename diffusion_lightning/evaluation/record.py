"""What evaluation.json says of an evaluation: its options, and the provenance of its figures."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from torch import nn

from diffusion_lightning import __version__
from diffusion_lightning.checkpoints.reader import find_checkpoint
from diffusion_lightning.config.options import decisive
from diffusion_lightning.config.renamed import renamed
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.extractors.extract import extractor_sha256
from diffusion_lightning.evaluation.measure import ReferenceData
from diffusion_lightning.hashing import file_sha256

RECORD = "evaluation.json"

FORMAT = 1
"""Rises when records contain other keys, or keys mean something else."""

FORMAT_0 = {
    "weights",
    "sampler",
    "clamp",
    "guidance",
    "labels",
    "num_images",
    "seed",
    "dataset",
    "extractor",
    "metrics",
    "checkpoint_sha256",
    "samples_sha256",
}
"""The keys of `asked` in records without a format, which are of versions before 0.2."""


ADDED = {"profile": None, "away": None}
"""Options of guidance younger than version 0.2's first records, with what they were then."""


def asked_for(cfg: DictConfig) -> dict[str, Any]:
    """Every option that changes a figure: if they are the same again, so are the figures.

    Raises:
        UserError: if a file that it names does not exist.
    """
    asked = decisive("evaluate", renamed(OmegaConf.to_container(cfg, resolve=True)))
    if cfg.checkpoint:
        asked["checkpoint_sha256"] = file_sha256(find_checkpoint(cfg.checkpoint))
    if cfg.samples:
        if not Path(cfg.samples).is_file():
            raise UserError(f"no file {cfg.samples}; give samples=<file.npz>.")
        asked["samples_sha256"] = file_sha256(Path(cfg.samples))
    return asked


def overrides() -> dict[str, str | float]:
    """What the command line changed, except files and devices; the jobs of a sweep differ in it."""
    if not HydraConfig.initialized():
        return {}
    hydra = HydraConfig.get()
    left_out = set(hydra.job.config.override_dirname.exclude_keys)
    entries = (entry.lstrip("+~").partition("=") for entry in hydra.overrides.task)
    return {key: _number(value) for key, _, value in entries if key.partition(".")[0] not in left_out}


def _number(text: str) -> str | float:
    try:
        return float(text)
    except ValueError:
        return text


def already_done(out: Path, asked: dict[str, Any]) -> dict[str, Any] | None:
    """The record in the folder, if it is of the same evaluation; None if there is none.

    Raises:
        UserError: if it is of another evaluation, or damaged.
    """
    if not (out / RECORD).exists():
        return None
    try:
        record = json.loads((out / RECORD).read_text())
    except ValueError:
        raise UserError(f"{out / RECORD} is damaged: add overwrite=true, or choose another out=.") from None
    if not isinstance(record, dict) or not _same(record, asked):
        raise UserError(f"{out} holds another evaluation: add overwrite=true, or choose another out=.")
    return record


def _same(record: dict[str, Any], asked: dict[str, Any]) -> bool:
    before = record.get("asked")
    if not isinstance(before, dict):
        return False
    before = decisive("evaluate", renamed(before))
    before["guidance"] = ADDED | before.get("guidance", {})
    if record.get("format", 0) == 0:
        # It has no `speed`
        asked = {key: value for key, value in asked.items() if key in FORMAT_0}
    return before == asked


def versions() -> dict[str, str]:
    """The versions of what the figures may depend on."""
    packages = "torch", "torchvision", "lightning", "numpy"
    ours = {"python": platform.python_version(), "diffusion-lightning": __version__}
    return ours | {name: version(name) for name in packages}


def provenance(extractor: nn.Module, data: ReferenceData) -> dict[str, Any]:
    """What the figures were computed from: hashes, numbers of images, versions."""
    return {
        "extractor_sha256": extractor_sha256(extractor),
        "train_statistics_sha256": data.train.sha256(),
        "test_statistics_sha256": data.test.sha256(),
        "num_train": data.train.n,
        "num_test": data.test.n,
        "versions": versions(),
    }
