"""What evaluation.json says of an evaluation: its options, and the provenance of its figures."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf
from torch import nn

from diffusion_lightning.checkpoints.format import with_defaults
from diffusion_lightning.checkpoints.reader import config_of, find_checkpoint, read_checkpoint
from diffusion_lightning.config.options import decisive, flat
from diffusion_lightning.config.renamed import renamed
from diffusion_lightning.data.base import SampleData
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.extractors.extract import extractor_sha256
from diffusion_lightning.evaluation.measure import ReferenceData
from diffusion_lightning.evaluation.reading import RECORD
from diffusion_lightning.files import read_json
from diffusion_lightning.hashing import file_sha256
from diffusion_lightning.versions import versions

FORMAT = 2
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

IMAGES = "images_sha256"
"""The key of `asked` that says which data the images are compared with."""

ADDED = {IMAGES, "files_sha256"}
"""The keys of `asked` that format 1 did not have."""


def learned_config(cfg: DictConfig) -> dict[str, Any]:
    """The config of the checkpoint that is evaluated; empty without one."""
    return config_of(read_checkpoint(cfg.checkpoint)) if cfg.checkpoint else {}


def asked_for(
    cfg: DictConfig, learned: Mapping[str, Any], data: SampleData, swept: Collection[str] = ()
) -> dict[str, Any]:
    """Every option that changes a figure, and what is in the files that it names.

    If they are the same again, so are the figures.

    Args:
        cfg: the config.
        learned: that of the checkpoint.
        data: what the images are compared with; its files may still have to be downloaded.
        swept: the options that a sweep is over; its jobs differ in them.
    """
    asked = decisive("evaluate", renamed(OmegaConf.to_container(cfg, resolve=True)), swept)
    if cfg.checkpoint:
        asked["checkpoint_sha256"] = file_sha256(find_checkpoint(cfg.checkpoint))
    if cfg.samples:
        asked["samples_sha256"] = file_sha256(Path(cfg.samples))
    asked[IMAGES] = data.contents()
    files = _files([asked, asked["extractor"] or learned.get("extractor")])
    return asked | {"files_sha256": {str(file): file_sha256(file) for file in sorted(files)}}


def _files(node: Any) -> set[Path]:
    """The files that a plain container names, such as an extractor's weights."""
    if isinstance(node, dict | list):
        return set().union(*map(_files, node.values() if isinstance(node, dict) else node))
    return {Path(node)} if isinstance(node, str) and len(node) < 256 and Path(node).is_file() else set()


def overrides() -> dict[str, str | float]:
    """What the command line changed, except files and devices; the jobs of a sweep differ in it."""
    if not HydraConfig.initialized():
        return {}
    hydra = HydraConfig.get()
    left_out = set(hydra.job.config.override_dirname.exclude_keys)
    entries = OverridesParser.create().parse_overrides(list(hydra.overrides.task))
    values = {entry.get_key_element().lstrip("+~"): _value(entry) for entry in entries}
    return {key: value for key, value in values.items() if key.partition(".")[0] not in left_out}


def _value(override: Override) -> str | float:
    """A number or a text as Hydra reads it, without quotes and escapes; anything else as it was typed."""
    value = override.value()
    if isinstance(value, str):
        return value
    text = (override.input_line or "").partition("=")[2]
    try:
        return float(text)
    except ValueError:
        return text


def already_done(out: Path, asked: dict[str, Any], swept: Collection[str] = ()) -> dict[str, Any] | None:
    """The record in the folder, if it is of the same evaluation; None if there is none.

    Args:
        out: the folder.
        asked, swept: see `asked_for`.

    Raises:
        UserError: if it is of another evaluation, or damaged.
    """
    if not (out / RECORD).exists():
        return None
    try:
        record = read_json(out / RECORD)
    except ValueError:
        raise UserError(f"{out / RECORD} is damaged: add overwrite=true, or choose another out=.") from None
    if not isinstance(record, dict) or not _same(record, asked, swept):
        raise UserError(f"{out} holds another evaluation: add overwrite=true, or choose another out=.")
    return record


def _same(record: dict[str, Any], asked: dict[str, Any], swept: Collection[str]) -> bool:
    before = record.get("asked")
    if not isinstance(before, dict):
        return False
    before = decisive("evaluate", with_defaults(renamed(before)), swept)
    # It does not say what it was not asked at its time, such as `speed`
    later = asked.keys() - FORMAT_0 if record.get("format", 0) == 0 else ADDED if record["format"] < 2 else ()
    asked = {key: value for key, value in asked.items() if key not in later}
    if None in (before.get(IMAGES), asked.get(IMAGES)):  # the data are not there yet
        before, asked = before | {IMAGES: None}, asked | {IMAGES: None}
    return _said(before) == _said(asked)


def _said(options: dict[str, Any]) -> dict[str, Any]:
    """The options that are not null, as a missing one is."""
    return {name: value for name, value in flat(options) if value is not None}


def provenance(name: str, extractor: nn.Module, data: ReferenceData) -> dict[str, Any]:
    """What the figures were computed from: the data's name, hashes, numbers of images, versions."""
    return {
        "data": name,
        "extractor_sha256": extractor_sha256(extractor),
        "train_statistics_sha256": data.train.sha256(),
        "test_statistics_sha256": data.test.sha256(),
        "num_train": data.train.n,
        "num_test": data.test.n,
        "versions": versions(),
    }
