"""Checkpoint → objects, without running any code that the file contains."""

import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from diffusion_lightning.checkpoints.format import LAST, upgraded
from diffusion_lightning.checkpoints.safetensors_file import AVERAGED_ONLY, MODEL, PREFIX, read_model
from diffusion_lightning.checkpoints.sources import located
from diffusion_lightning.checkpoints.trust import build_trusted
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.parameterizations import Parameterization
from diffusion_lightning.diffusion.schedules import Schedule
from diffusion_lightning.errors import UserError, first_line, first_load_error

if TYPE_CHECKING:
    from diffusion_lightning.data.base import SampleData

WEIGHTS = {"ema": "state_dict", "raw": "current_model_state"}
"""Where Lightning's weight averaging keeps the averaged and the raw weights."""

_BUILT = {"network": nn.Module, "schedule": Schedule, "parameterization": Parameterization}

_IMAGES = {"image_channels": int, "image_size": int | list, "num_classes": int}
_POINTS = {"dim": int, "num_classes": int}
"""What network and data set must agree on, and what it is: of images, and of points."""


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint file itself, or that of a folder: `checkpoints/last.ckpt` of a run, or an exported one.

    Args:
        path: a file, a folder, or a name behind a prefix of `sources.py`.

    Raises:
        UserError: if there is none.
    """
    file = path = located(path)
    if path.is_dir():
        file = path / MODEL if (path / MODEL).is_file() else path / "checkpoints" / LAST
    if not file.is_file():
        raise UserError(
            f"no checkpoint at {file}; give a .ckpt file or a run's folder, zoo:name or hf:owner/name."
        )
    return file


def read_checkpoint(path: str | Path, mmap: bool = False) -> dict[str, Any]:
    """The checkpoint as tensors and plain containers, on the CPU, its config in the names of today.

    Args:
        path: see `find_checkpoint`.
        mmap: leave the weights on the disk until they are looked at, for what does not look at them.

    Raises:
        UserError: if it is missing, damaged, holds pickled code, or is not one of ours.
    """
    file = find_checkpoint(path)
    checkpoint = read_model(file) if file.suffix == ".safetensors" else _unpickled(file, mmap)
    if why := lacking(checkpoint):
        raise UserError(f"{file} is not a checkpoint of this project: {why}.")
    return upgraded(checkpoint)


def _unpickled(file: Path, mmap: bool) -> Any:
    """What a file of Lightning's holds, if that is nothing but tensors and plain containers."""
    if not zipfile.is_zipfile(file):  # as every PyTorch checkpoint is, once wholly written
        raise UserError(f"{file} is truncated, or no checkpoint at all.")
    try:
        return torch.load(file, map_location="cpu", weights_only=True, mmap=mmap)
    except pickle.UnpicklingError:
        raise UserError(
            f"{file} is refused: it holds pickled code; only tensors and plain containers are loaded."
        ) from None
    except Exception as error:  # whatever a damaged file makes of the parsers
        raise UserError(f"{file} is truncated or damaged ({first_line(error)}).") from None


def lacking(checkpoint: Any) -> str | None:
    """Why it is not a checkpoint of this project; None if it is one."""
    if not isinstance(checkpoint, dict):
        return f"it holds a {type(checkpoint).__name__}"
    config = checkpoint.get("hyper_parameters")
    if not isinstance(config, dict):
        return "it has no config"
    parts = *_BUILT, "guidance", "dataset"
    if missing := [name for name in parts if not isinstance(config.get(name), dict)]:
        return f"no {missing} in it"
    if _interpolates(config):
        return "its config is not resolved"
    network, data = config["network"], config["dataset"]
    shape = _POINTS if "dim" in data else _IMAGES
    if missing := [name for name, kind in shape.items() if not isinstance(data.get(name), kind)]:
        return f"no {missing} in its dataset"
    if different := [name for name in shape if network.get(name, data[name]) != data[name]]:
        return f"network and dataset differ in {different}"
    for weights in checkpoint.get("state_dict"), checkpoint.get("current_model_state", {}):
        if not isinstance(weights, dict) or not all(map(torch.is_tensor, weights.values())):
            return "it has no weights"
    return None


def _interpolates(node: Any) -> bool:
    """Whether the config asks for other values: an environment variable may be a secret."""
    if isinstance(node, dict | list | tuple):
        return any(map(_interpolates, node.values() if isinstance(node, dict) else node))
    return isinstance(node, str) and "${" in node


def config_of(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """The resolved config of the run that wrote the checkpoint, as plain containers."""
    return dict(checkpoint["hyper_parameters"])


def load_denoiser(checkpoint: dict[str, Any], weights: str = "ema", trust: Sequence[str] = ()) -> Denoiser:
    """The trained denoiser in evaluation mode, on the CPU.

    Args:
        checkpoint: from `read_checkpoint`.
        weights: "ema" (averaged) or "raw".
        trust: further packages whose classes the checkpoint's config may build.

    Raises:
        UserError: if the weights are missing or do not fit, or the config names foreign code.
    """
    if weights not in WEIGHTS:
        raise UserError(f"weights={weights!r} is unknown; it must be {' or '.join(WEIGHTS)}.")
    config = config_of(checkpoint)
    parts: Any = [build_trusted(name, config[name], kind, trust) for name, kind in _BUILT.items()]
    denoiser = Denoiser(*parts)
    _load(denoiser, denoiser_weights(checkpoint, weights))
    return denoiser.eval()


def denoiser_weights(checkpoint: dict[str, Any], weights: str = "ema") -> dict[str, Tensor]:
    """The denoiser's averaged ("ema") or "raw" weights, by their names in the denoiser.

    Raises:
        UserError: if the raw weights were left out of the file.
    """
    if weights == "raw" and checkpoint.get(AVERAGED_ONLY):
        raise UserError("the file holds the averaged weights alone; leave weights=ema.")
    # A run without EMA has one set of weights, under Lightning's own key
    state = checkpoint.get(WEIGHTS[weights], checkpoint["state_dict"])
    return {name[len(PREFIX) :]: w for name, w in state.items() if str(name).startswith(PREFIX)}


def load_data_set(
    data: dict[str, Any], data_dir: str | None = None, trust: Sequence[str] = ()
) -> "SampleData":
    """The data set that was learned, ready to be loaded.

    Missing files are downloaded into a folder that the user named, never into one that the checkpoint names.

    Args:
        data: the checkpoint's `dataset`.
        data_dir: the data's folder, if it is not where it was in training.
        trust: as for `load_denoiser`.

    Raises:
        UserError: if the data are not available, or the config names foreign code.
    """
    from diffusion_lightning.data.base import SampleData

    data_set = build_trusted("dataset", data, SampleData, trust, data_dir=data_dir or data.get("data_dir"))
    if data_dir:
        data_set.prepare_data()
    return data_set


def load_test_images(
    data: dict[str, Any], which: Sequence[int], data_dir: str | None = None, trust: Sequence[str] = ()
) -> tuple[Tensor, Tensor]:
    """Test images as they are stored, (B, *), and their labels (B,), of the data set that was learned.

    Args:
        data, data_dir, trust: as for `load_data_set`.
        which: their numbers.

    Raises:
        UserError: if there is no image of such a number, or the data are not available.
    """
    images = load_data_set(data, data_dir, trust).split(train=False)
    if not all(0 <= i < len(images) for i in which):
        raise UserError(f"test images {list(which)}: the numbers go from 0 to {len(images) - 1}.")
    return images[torch.tensor(which)]


def _load(denoiser: Denoiser, state: dict[str, Tensor]) -> None:
    try:
        denoiser.load_state_dict(state)
    except RuntimeError as error:
        raise UserError(
            f"the checkpoint's weights do not fit its own config: {first_load_error(error)}"
        ) from None
    if not all(weight.isfinite().all() for weight in denoiser.parameters()):
        raise UserError(
            "the checkpoint's weights are not all finite: its training diverged; take an earlier one."
        )
