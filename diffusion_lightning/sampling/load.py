"""Checkpoint → model, without Hydra or Lightning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from diffusion_lightning.checkpoints.reader import config_of, load_denoiser, read_checkpoint
from diffusion_lightning.checkpoints.trust import build_trusted
from diffusion_lightning.diffusion.guidance import Guidance
from diffusion_lightning.samples import sample_shape
from diffusion_lightning.sampling.devices import available_device
from diffusion_lightning.sampling.model import DiffusionModel
from diffusion_lightning.speed import Speed


def load(
    path: str | Path,
    *,
    device: str = "auto",
    weights: str = "ema",
    trust: Sequence[str] = (),
    speed: Speed | None = None,
) -> DiffusionModel:
    """Load a trained model from a checkpoint file, a run's folder (its last checkpoint), the zoo or the hub.

    Nothing in the file is executed: it holds tensors and plain containers, from which only classes of this
    package, and of packages that you trust, are built.

    Args:
        path: a .ckpt file, the folder of a run, or a name: "zoo:digits" of a model that
            comes along, "hf:owner/name" of one on the hub.
        device: "cpu", "cuda", …; "auto" is a GPU if there is one.
        weights: "ema" (averaged) or "raw".
        trust: names of further packages whose classes the checkpoint may build.
        speed: how the network computes; as suits the device unless given.

    Raises:
        UserError: if there is no such checkpoint or device, the file is damaged or not a checkpoint of this
            project, or it asks for code that is not trusted.
    """
    return model_of(read_checkpoint(path), device, weights, trust, speed)


def model_of(
    checkpoint: dict[str, Any],
    device: str = "auto",
    weights: str = "ema",
    trust: Sequence[str] = (),
    speed: Speed | None = None,
) -> DiffusionModel:
    """The model of a checkpoint that is read already, with the arguments of `load`."""
    config = config_of(checkpoint)
    data, guidance = config["dataset"], {**config["guidance"], "_target_": "diffusion_lightning.Guidance"}
    return DiffusionModel(
        load_denoiser(checkpoint, weights, trust).to(available_device(device)),
        sample_shape(data),
        build_trusted("guidance", guidance, Guidance),
        data.get("class_names"),
        speed,
        config,
    )
