"""A model of another code → a checkpoint as a run writes it, for everything that takes one."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from diffusion_lightning.checkpoints.format import stamp
from diffusion_lightning.checkpoints.reader import load_denoiser
from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange.origin import Imported
from diffusion_lightning.files import atomic_write
from diffusion_lightning.images import height_and_width

MEMORY = "imported"
"""The entry of a checkpoint that lets an export return to what was imported."""


def checkpoint_of(imported: Imported, dataset: Mapping[str, Any] | None, extractor: Any) -> dict[str, Any]:
    """The checkpoint.

    Args:
        imported: the model.
        dataset: the config of the data set that it is for; None is that of the source, if it has one.
        extractor: the config of the data set's feature extractor, or None.

    Raises:
        UserError: if the model is not for such images or classes, or its weights are not finite.
    """
    network = imported.network
    shape = {name: network[name] for name in ("image_channels", "image_size", "num_classes")}
    data = dict(dataset or imported.config.get("dataset") or {"class_names": None, **shape})
    _check(data, shape)
    config = {
        "network": {**network, "image_size": data["image_size"]},
        "schedule": imported.schedule,
        "parameterization": imported.parameterization,
        "guidance": imported.guidance,
        "dataset": data,
    }
    if extractor := extractor or imported.config.get("extractor"):
        config["extractor"] = extractor
    checkpoint = {
        "hyper_parameters": config,
        "state_dict": {f"denoiser.network.{name}": tensor for name, tensor in imported.state.items()},
        MEMORY: dict(imported.memory),
        **stamp(),
    }
    load_denoiser(checkpoint)
    return checkpoint


def _check(data: Mapping[str, Any], shape: Mapping[str, Any]) -> None:
    for name, value in shape.items():
        sizes = name == "image_size" and height_and_width(data[name]) == height_and_width(value)
        if data[name] != value and not sizes:
            raise UserError(
                f"the model has {name}={value}, and the data set {data[name]}; choose another dataset=."
            )


def write(checkpoint: Mapping[str, Any], out: Path) -> None:
    """Write the checkpoint, whole or not at all."""
    with atomic_write(out, "wb") as file:
        torch.save(dict(checkpoint), file)
