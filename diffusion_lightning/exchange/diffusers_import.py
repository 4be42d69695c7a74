"""A folder of diffusers' with a `UNet2DModel` → a model of ours."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffusion_lightning.checkpoints.trust import build_trusted
from diffusion_lightning.diffusion.denoiser import Denoiser
from diffusion_lightning.diffusion.parameterizations import Parameterization
from diffusion_lightning.diffusion.schedules import Schedule
from diffusion_lightning.errors import UserError
from diffusion_lightning.exchange import returned
from diffusion_lightning.exchange.diffusers_scheduler import (
    parameterization_options,
    sampling_hint,
    schedule_options,
    training_config,
)
from diffusion_lightning.exchange.diffusers_unet import (
    BIAS,
    LABEL,
    THEIR_TIME,
    TIME,
    network_options,
    network_state,
    unet_config,
    unet_state,
)
from diffusion_lightning.exchange.files import read_tensors, understood
from diffusion_lightning.exchange.origin import Asked, Imported, guidance_options
from diffusion_lightning.files import read_json
from diffusion_lightning.networks.unet import UNet

WEIGHTS = "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"


BUILT: dict[str, type] = {"network": UNet, "schedule": Schedule, "parameterization": Parameterization}

PARTS = *BUILT, "guidance"
"""The parts of a config that a model is built from."""


def read_folder(source: Path, asked: Asked) -> Imported:
    """The model in a folder of `DDPMPipeline.save_pretrained`, its parts in folders or all at the root.

    Raises:
        UserError: if a part is missing or damaged, or our classes cannot express it; it says what.
    """
    unet, scheduler = _part(source, "unet"), _part(source, "scheduler")
    config, walk = _json(unet / "config.json"), _json(scheduler / "scheduler_config.json")
    kind = config.get("_class_name")
    if kind != "UNet2DModel":
        raise UserError(f"{unet / 'config.json'} is of a {kind}; our U-Net can express a UNet2DModel.")
    state = read_tensors(_weights(unet))
    with understood(scheduler / "scheduler_config.json"):
        parts = {"schedule": schedule_options(walk), "parameterization": parameterization_options(walk)}
        about = f"its own walk is {sampling_hint(walk)}"
    if ours := _returned(source, state, config, walk):
        return ours
    known = config.get("num_class_embeds")
    guidance = guidance_options(known is not None)
    num_classes = known if known is not None else asked.num_classes or 0
    with understood(unet / "config.json"):
        options = network_options(config, num_classes)
    sines_first = not config.get("flip_sin_to_cos", True)
    found = network_state(build_trusted("network", options, UNet), state, sines_first)
    memory = {"first_layer": state[THEIR_TIME].float(), "sines_first": sines_first}
    memory |= {} if known is None else {"labels": known}
    return Imported(options, **parts, guidance=guidance, state=found, about=about, memory=memory)


def _part(source: Path, name: str) -> Path:
    return source / name if (source / name).is_dir() else source


def _json(file: Path) -> Mapping[str, Any]:
    if not file.is_file():
        raise UserError(f"{file} is not there; source= takes a folder as save_pretrained writes it.")
    try:
        value = read_json(file)
    except ValueError as error:
        raise UserError(f"{file} is no JSON ({error}).") from None
    if not isinstance(value, dict):
        raise UserError(f"{file} holds no options.")
    return value


def _weights(folder: Path) -> Path:
    for name in WEIGHTS:
        if (folder / name).is_file():
            return folder / name
    raise UserError(f"{folder} holds no weights; there should be {' or '.join(WEIGHTS)}.")


def _returned(
    source: Path, state: Mapping[str, Tensor], unet: Mapping[str, Any], walk: Mapping[str, Any]
) -> Imported | None:
    """What was exported into the folder, if that is what still is there, or was trained on.

    One label that was folded in and trained on is a model of its own.
    """
    kept = returned.kept(source)
    if kept is None or not all(isinstance(kept[1].get(name), dict) for name in PARTS):
        return None
    tensors, config, label = kept
    denoiser = Denoiser(*(build_trusted(name, config[name], kind) for name, kind in BUILT.items()))
    network: Any = denoiser.network
    if label not in (None, *range(network.num_classes + 1)):
        return None
    if not _says(unet, unet_config(network, label)) or not _says(walk, training_config(denoiser)):
        return None
    found, own = network_state(network, state), network.state_dict()
    if any(name not in tensors or tensors[name].shape != own[name].shape for name in (TIME, BIAS, LABEL)):
        return None
    network.load_state_dict(found | {name: tensors[name] for name in (TIME, BIAS, LABEL)})
    again = unet_state(network, label)
    if unchanged := again.keys() == state.keys() and all(torch.equal(again[n], state[n]) for n in again):
        found = network.state_dict()
    elif label is not None:
        return None
    about = "it was exported from here" + ("" if unchanged else ", and trained on")
    return Imported(**{name: config[name] for name in PARTS}, state=found, about=about, config=config)


def _says(config: Mapping[str, Any], options: Mapping[str, Any]) -> bool:
    return all(config.get(name, value) == value for name, value in options.items())
