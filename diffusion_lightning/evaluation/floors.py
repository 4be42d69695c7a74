"""The floor: what the metrics say of the data's own test images, computed once and kept."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from torch import nn

from diffusion_lightning.distributed import rank
from diffusion_lightning.evaluation.cache import cache_folder
from diffusion_lightning.evaluation.comparison import Metric
from diffusion_lightning.evaluation.extractors.extract import extractor_sha256
from diffusion_lightning.evaluation.measure import Figures, ReferenceData, measure
from diffusion_lightning.evaluation.reference import KEPT_FEATURES
from diffusion_lightning.files import atomic_write, read_json
from diffusion_lightning.hashing import file_sha256, text_sha256


def measure_floors(
    metrics: Mapping[str, Metric],
    options: Mapping[str, Any],
    reference: ReferenceData,
    extractor: nn.Module,
    num_images: int,
) -> dict[str, Figures]:
    """The figures of all test images, and of as many test images as images are measured.

    They are cached by all that they depend on: the images, the extractor, how many they are, and the metrics
    with their options and their code. So a cached figure is never stale.

    Args:
        metrics: by their names.
        options: the metrics' configs, as plain containers.
        reference: the data.
        extractor: what the reference's features were computed by.
        num_images: images that are measured.
    """
    sets: dict[str, int | None] = {"floor": None}
    if num_images < min(len(reference.test_images), KEPT_FEATURES):
        sets["floor_same_n"] = num_images
    known_by = [options, *_code(metrics), extractor_sha256(extractor)]
    known_by += [reference.train_images.key(), reference.test_images.key()]
    return {name: _kept(metrics, reference, n, [*known_by, n]) for name, n in sets.items()}


def _kept(
    metrics: Mapping[str, Metric], reference: ReferenceData, num_images: int | None, known_by: list[Any]
) -> Figures:
    file = cache_folder() / "floors" / f"{text_sha256(json.dumps(known_by, sort_keys=True))[:32]}.json"
    try:
        return Figures(**read_json(file))
    except (OSError, ValueError, TypeError):  # not there, or damaged
        figures = measure(metrics, reference.test_set_floor(num_images), reference)
    if rank() == 0:
        file.parent.mkdir(parents=True, exist_ok=True)
        # Several evaluations may write the same figures at the same time
        with atomic_write(file, writer=uuid4().hex) as opened:
            json.dump(figures._asdict(), opened, allow_nan=False)
    return figures


def _code(metrics: Mapping[str, Metric]) -> list[str]:
    """What metrics are computed by: torch's version, and SHA-256 of their own files and of this folder's."""
    own = (getattr(sys.modules[type(metric).__module__], "__file__", None) for metric in metrics.values())
    files = {Path(file) for file in own if file} | set(Path(__file__).parent.rglob("*.py"))
    return [torch.__version__, *(file_sha256(file) for file in sorted(files))]
