"""A trained model to hand on: averaged weights as safetensors, its config in their metadata.

Such a file cannot hold code, and names no folder of the machine that it was written on. It holds no state of
the optimizer: from it a model is loaded, and a new run starts (`init=`), but none resumes.
"""

import json
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import torch
from torch import Tensor

from diffusion_lightning.captions import NOTICE
from diffusion_lightning.checkpoints.format import KEY, stamp
from diffusion_lightning.errors import UserError
from diffusion_lightning.files import atomic_write
from diffusion_lightning.hashing import tensors_sha256

MODEL = "model.safetensors"
"""The file's name in a folder that is handed on."""

AVERAGED_ONLY = "averaged_only"
"""The entry of a checkpoint whose run averaged its weights, and that lacks the raw ones."""

PREFIX = "denoiser."
"""Before the names of the denoiser's weights in a checkpoint."""

KEPT = (
    *("network", "schedule", "parameterization", "guidance", "dataset", "extractor"),
    *("objective", "times", "optimizer", "lr_schedule", "warmup_images", "sampler", "clamp", "seed"),
    NOTICE,
)
"""What is kept of the config of a run: what the model is, and how it was trained and drawn from."""

FACTS = "config", KEY, "counted", AVERAGED_ONLY
"""The entries of the metadata that are JSON."""

COUNTED = "epoch", "global_step", "images_seen"
"""Entries of a checkpoint that say how long it was trained."""


def write_model(checkpoint: dict[str, Any], file: Path, dtype: torch.dtype = torch.float32) -> str:
    """Write a checkpoint's averaged weights and the public part of its config; return the weights' SHA-256.

    Args:
        checkpoint: from `read_checkpoint`.
        file: where to.
        dtype: of the weights in the file, float32 or float16; a model computes in float32 from either.

    Raises:
        UserError: if a weight is beyond the range of the type.
    """
    from safetensors.torch import save

    weights = _stored(checkpoint["state_dict"], dtype)
    sha256 = tensors_sha256(sorted(weights.items()))
    facts = (
        public_config(checkpoint["hyper_parameters"]),
        stamp()[KEY],
        {name: checkpoint[name] for name in COUNTED if name in checkpoint},
        "current_model_state" in checkpoint or bool(checkpoint.get(AVERAGED_ONLY)),
    )
    metadata = dict(zip(FACTS, map(json.dumps, facts), strict=True))
    with atomic_write(file, "wb") as opened:
        opened.write(save(weights, {"format": "pt", "sha256": sha256, **metadata}))
    return sha256


def read_model(file: Path) -> dict[str, Any]:
    """The checkpoint that `write_model` was given, as far as the file has it, with weights in float32.

    Raises:
        UserError: if the file is damaged.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, "pt") as opened:
            metadata = opened.metadata() or {}
            weights = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118, no dict
        config, entry, counted, averaged_only = (json.loads(metadata.get(name, "null")) for name in FACTS)
    except (SafetensorError, ValueError) as error:
        raise UserError(f"{file} is truncated or damaged ({str(error).partition(chr(10))[0]}).") from None
    if config is None:
        raise UserError(f"{file} is not a checkpoint of this project: it has no config.")
    if tensors_sha256(sorted(weights.items())) != metadata.get("sha256"):
        raise UserError(f"{file} is damaged: its weights are not those that were written.")
    return {
        **(counted if isinstance(counted, dict) else {}),
        "hyper_parameters": config,
        "state_dict": {PREFIX + name: _in_float32(weight) for name, weight in weights.items()},
        KEY: entry,
        AVERAGED_ONLY: averaged_only,
    }


def public_config(config: dict[str, Any]) -> dict[str, Any]:
    """The part of a run's config that says what the model is, without folders of its machine."""
    kept: dict[str, Any] = {name: without_folders(config[name]) for name in KEPT if name in config}
    ema = (config.get("callbacks") or {}).get("ema")
    return kept | {"callbacks": {"ema": ema}}


def without_folders(node: Any) -> Any:
    """The plain container with the names alone of files and folders outside the working folder."""
    if isinstance(node, dict):
        return {without_folders(key): without_folders(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [without_folders(value) for value in node]
    for kind in (PurePosixPath, PureWindowsPath) if isinstance(node, str) else ():
        path = kind(node)
        if path.is_absolute() or path.parts[:1] == ("..",) or node.startswith("~"):
            return path.name
    return node


def _stored(state: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    """The denoiser's weights by their names in the denoiser, in the type of the file."""
    weights = {name.removeprefix(PREFIX): w for name, w in state.items() if name.startswith(PREFIX)}
    stored = {
        name: weight.to(dtype if weight.is_floating_point() else weight.dtype).contiguous()
        for name, weight in weights.items()
    }
    for name, weight in stored.items():
        if weights[name].isfinite().all() and not weight.isfinite().all():
            raise UserError(f"the weight {name} is beyond the range of {dtype}; write float32.")
    return stored


def _in_float32(weight: Tensor) -> Tensor:
    return weight.float() if weight.is_floating_point() else weight
