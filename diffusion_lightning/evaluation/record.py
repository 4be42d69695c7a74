"""What an evaluation was asked for and what it was computed from, as its JSON file says it."""

import json
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf
from torch import nn

from diffusion_lightning.checkpoints.reader import find_checkpoint
from diffusion_lightning.config.renamed import renamed
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.extractors.extract import extractor_sha256
from diffusion_lightning.evaluation.measure import ReferenceData
from diffusion_lightning.hashing import file_sha256

RECORD = "evaluation.json"

KEYS = (
    *("weights", "sampler", "clamp", "guidance", "labels"),
    *("num_images", "seed", "dataset", "extractor", "metrics"),
)
"""All of the config on which the figures depend; batches and devices do not change them."""


def asked_for(cfg: DictConfig) -> dict[str, Any]:
    """What the evaluation is: if it is the same again, so are the figures.

    Raises:
        UserError: if a file that it names is not there.
    """
    asked = {key: renamed(_plain(cfg[key])) for key in KEYS}
    if cfg.checkpoint:
        asked["checkpoint_sha256"] = file_sha256(find_checkpoint(cfg.checkpoint))
    if cfg.samples:
        if not Path(cfg.samples).is_file():
            raise UserError(f"no file {cfg.samples}; give samples=<file.npz>.")
        asked["samples_sha256"] = file_sha256(Path(cfg.samples))
    return asked


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def overrides() -> dict[str, str | float]:
    """What the command line changed, but for files and devices; a sweep's jobs differ in it."""
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
    """The record in the folder, if it is of the very same evaluation; None if there is none.

    Raises:
        UserError: if it is of another one.
    """
    if not (out / RECORD).exists():
        return None
    try:
        record = json.loads((out / RECORD).read_text())
    except ValueError:
        raise UserError(f"{out / RECORD} is damaged: add overwrite=true, or choose another out=.") from None
    if not isinstance(record, dict) or renamed(record.get("asked")) != asked:
        raise UserError(f"{out} holds another evaluation: add overwrite=true, or choose another out=.")
    return record


def versions() -> dict[str, str]:
    """Of what the figures may depend on."""
    packages = "diffusion-lightning", "torch", "torchvision", "lightning", "numpy"
    return {"python": platform.python_version()} | {name: version(name) for name in packages}


def provenance(extractor: nn.Module, data: ReferenceData) -> dict[str, Any]:
    """What the figures were computed from."""
    return {
        "extractor_sha256": extractor_sha256(extractor),
        "train_statistics_sha256": data.train.sha256(),
        "test_statistics_sha256": data.test.sha256(),
        "num_train": data.train.n,
        "num_test": data.test.n,
        "versions": versions(),
    }
