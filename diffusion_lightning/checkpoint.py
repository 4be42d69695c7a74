"""Checkpoint → objects, without running any code that the file brings along."""

import pickle
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from hydra.utils import get_class
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from diffusion_lightning.build import build_denoiser, instantiate
from diffusion_lightning.denoiser import Denoiser
from diffusion_lightning.errors import UserError

WEIGHTS = {"ema": "state_dict", "raw": "current_model_state"}
"""Where Lightning's weight averaging keeps the averaged and the raw weights."""

_BUILT = ("network", "schedule", "parameterization")


def find_checkpoint(path: str | Path) -> Path:
    """The checkpoint file itself, or `checkpoints/last.ckpt` of a run directory.

    Raises:
        UserError: if there is none.
    """
    path = Path(path)
    file = path / "checkpoints" / "last.ckpt" if path.is_dir() else path
    if not file.is_file():
        raise UserError(
            f"no checkpoint at {file}; give checkpoint=<file.ckpt> or checkpoint=<run directory>."
        )
    return file


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """The checkpoint as tensors and plain containers, on the CPU.

    Raises:
        UserError: if it is missing, damaged, holds pickled code, or is not one of ours.
    """
    file = find_checkpoint(path)
    if not zipfile.is_zipfile(file):  # as every PyTorch checkpoint is, once wholly written
        raise UserError(f"{file} is truncated, or no checkpoint at all.")
    try:
        checkpoint = torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise UserError(
            f"{file} is refused: it holds pickled code; only tensors and plain containers are loaded."
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, OSError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise UserError(f"{file} is truncated or damaged ({reason}).") from None
    if not isinstance(checkpoint, dict) or not {"state_dict", "hyper_parameters"} <= set(checkpoint):
        raise UserError(f"{file} is not a checkpoint of this project: it has no config.")
    missing = {*_BUILT, "guidance", "dataset"} - set(checkpoint["hyper_parameters"])
    if missing:
        raise UserError(f"{file} is not a checkpoint of this project: no {sorted(missing)} in it.")
    return checkpoint


def config_of(checkpoint: dict[str, Any]) -> DictConfig:
    """The resolved config of the run that wrote the checkpoint."""
    return OmegaConf.create(dict(checkpoint["hyper_parameters"]))


def load_denoiser(checkpoint: dict[str, Any], weights: str = "ema", trust: tuple[str, ...] = ()) -> Denoiser:
    """The trained denoiser in evaluation mode, on the CPU.

    Args:
        checkpoint: from `read_checkpoint`.
        weights: "ema" (averaged) or "raw".
        trust: further packages whose classes the checkpoint's config may build.

    Raises:
        UserError: if the weights are not there or do not fit, or the config names foreign code.
    """
    if weights not in WEIGHTS:
        raise UserError(f"weights={weights!r} is unknown; it must be {' or '.join(WEIGHTS)}.")
    cfg = config_of(checkpoint)
    for part in _BUILT:
        _check_targets(checkpoint["hyper_parameters"][part], ("diffusion_lightning", *trust))
    denoiser = build_denoiser(cfg)
    # A run without EMA has one set of weights, under Lightning's own key.
    state = checkpoint.get(WEIGHTS[weights], checkpoint["state_dict"])
    prefix = "denoiser."
    own = {name[len(prefix) :]: w for name, w in state.items() if name.startswith(prefix)}
    _load(denoiser, own)
    return denoiser.eval()


def load_trusted(node: DictConfig, trust: tuple[str, ...] = (), **changes: Any) -> Any:
    """An object of the checkpoint's config, such as its data set, with some arguments changed.

    Raises:
        UserError: if the config names foreign code.
    """
    _check_targets(OmegaConf.to_container(node), ("diffusion_lightning", *trust))
    return instantiate(node, **changes)


def load_test_images(
    data: DictConfig, which: Sequence[int], data_dir: str | None = None, trust: tuple[str, ...] = ()
) -> tuple[Tensor, Tensor]:
    """Test images as uint8 (B, C, H, W), and their labels (B,), of the data set that was learned.

    Args:
        data: the checkpoint's `dataset`.
        which: their numbers.
        data_dir: where the data lies, if not where it lay in training.
        trust: as for `load_denoiser`.

    Raises:
        UserError: if there is no image of such a number, or the config names foreign code.
    """
    module = load_trusted(data, trust, data_dir=data_dir or data.data_dir)
    module.prepare_data()
    images = module.load(train=False)
    if not all(0 <= i < len(images) for i in which):
        raise UserError(f"test images {list(which)}: the numbers go from 0 to {len(images) - 1}.")
    return images[torch.tensor(which)]


def _load(denoiser: Denoiser, state: dict[str, Tensor]) -> None:
    try:
        denoiser.load_state_dict(state)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip() if "\n" in str(error) else str(error)
        raise UserError(f"the checkpoint's weights do not fit its own config: {first}") from None


def _check_targets(node: Any, trusted: tuple[str, ...]) -> None:
    """Refuse any `_target_` that is not a class defined in a trusted package."""
    if isinstance(node, list | tuple):
        for item in node:
            _check_targets(item, trusted)
    if not isinstance(node, dict):
        return
    for item in node.values():
        _check_targets(item, trusted)
    target = node.get("_target_")
    if target is None:
        return
    # The name decides what is imported, the class what is built: os may be an attribute of a module.
    package = str(target).partition(".")[0]
    if package not in trusted or get_class(target).__module__.partition(".")[0] not in trusted:
        raise UserError(
            f"the checkpoint wants to build {target!r}, which is not part of {', '.join(trusted)}; "
            f"if you trust it, add trust=[{package}]."
        )
