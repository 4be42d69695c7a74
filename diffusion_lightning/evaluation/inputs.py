"""Whose images are measured: a model's, or those in a file; and the data that they are measured against."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from diffusion_lightning.checkpoints.reader import load_data_set
from diffusion_lightning.checkpoints.trust import build_trusted
from diffusion_lightning.config.build import build_data, build_extractor, frozen
from diffusion_lightning.data.base import ImageData
from diffusion_lightning.distributed import shard, world_size
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.measure import Part
from diffusion_lightning.images import to_uint8
from diffusion_lightning.sampling.devices import available_device
from diffusion_lightning.sampling.generate import generate_sharded
from diffusion_lightning.sampling.likelihood import Bits
from diffusion_lightning.sampling.model import Walk
from diffusion_lightning.sampling.request import SamplingRequest, load_request


@dataclass(frozen=True)
class EvaluationInputs:
    """What is measured, and by what.

    Args:
        parts: the images, in blocks.
        total: how many they are.
        module: the data set that they should be like.
        extractor: what makes their features, on its device.
        request: the model that draws them, and how; None if they are not drawn.
    """

    parts: Iterator[Part]
    total: int
    module: ImageData
    extractor: nn.Module
    request: SamplingRequest | None

    @property
    def likelihood(self) -> Callable[..., Bits] | None:
        """The bits per dimension of (pixels, labels) under the model; None if nothing was drawn."""
        return self.request.likelihood if self.request else None

    @property
    def nfe(self) -> int | None:
        """Evaluations of the network in a walk; None if nothing was drawn."""
        return self.request.nfe if self.request else None

    @property
    def dtype(self) -> str | None:
        """What the network multiplied in; None if nothing was drawn."""
        return self.request.dtype if self.request else None


def load_inputs(cfg: DictConfig) -> EvaluationInputs:
    """What `evaluate.py` is asked to measure; samples= goes before the checkpoint's model.

    Raises:
        UserError: if something is not usable, or not said.
    """
    request = load_request(cfg) if cfg.checkpoint else None
    module, extractor = _module(cfg, request), _extractor(cfg, request).to(available_device(cfg.device))
    if cfg.samples:
        pixels, labels = read_npz(Path(cfg.samples), module)
        return EvaluationInputs(given(pixels, labels), len(pixels), module, extractor, None)
    assert request is not None
    return EvaluationInputs(drawn(request, cfg.num_images), cfg.num_images, module, extractor, request)


def _module(cfg: DictConfig, request: SamplingRequest | None) -> ImageData:
    if cfg.dataset:
        cfg.dataset.data_dir = cfg.data_dir or "data/"
        module = build_data(cfg)
        module.prepare_data()
        return module  # type: ignore[return-value]
    if request is None:
        raise UserError("which data set are the samples like? Add dataset=<name>, such as dataset=mnist.")
    return load_data_set(request.model.config["dataset"], cfg.data_dir, request.trust)


def _extractor(cfg: DictConfig, request: SamplingRequest | None) -> nn.Module:
    if cfg.extractor:
        return build_extractor(cfg)
    if request is None or "extractor" not in request.model.config:
        raise UserError(
            "on which features? Add extractor=inception (the field's), or one that knows the data, such as "
            "extractor=mnist."
        )
    config = request.model.config["extractor"]
    return frozen(build_trusted("extractor", config, nn.Module, request.trust))


def drawn(request: SamplingRequest, num_images: int) -> Iterator[Part]:
    """A model's images, batch by batch."""
    model = request.model
    for images, labels, count, nfe in generate_sharded(
        request.sampling,
        model.denoiser,
        request.cycle,
        num_images,
        model.shape,
        request.seed,
        request.batch_size,
    ):
        model.walks.append(Walk(nfe, model.dtype))
        yield to_uint8(images), labels, count


def given(pixels: Tensor, labels: Tensor) -> Iterator[Part]:
    """Images that are there already, uint8 (N, C, H, W) with labels (N,), in blocks."""
    size = 500 * world_size()
    for start in range(0, len(pixels), size):
        block = range(start, min(start + size, len(pixels)))
        mine = shard(block)
        yield pixels[mine], labels[mine], len(block)


def read_npz(file: Path, like: ImageData) -> tuple[Tensor, Tensor]:
    """Images uint8 (N, C, H, W) and labels (N,), the null label if there are none, of an .npz file.

    It is the field's evaluation format: `arr_0` uint8 (N, H, W, C), or (N, H, W) for grey images, and
    perhaps `arr_1`, labels (N,).

    Raises:
        UserError: if it is no such file, or its images are not of the data's shape.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            pixels, labels = arrays["arr_0"], arrays.get("arr_1")
    except Exception as error:  # whatever a damaged file makes of the parser
        raise UserError(
            f"samples={file} cannot be read ({error}); it must be an .npz file with arr_0, uint8 "
            "(N, H, W, C), and without pickled objects."
        ) from None
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    wanted = like.image_size, like.image_size, like.image_channels
    if pixels.dtype != np.uint8 or pixels.shape[1:] != wanted or len(pixels) == 0:
        raise UserError(
            f"samples={file} holds {pixels.dtype} {pixels.shape}; they must be uint8 (N, H, W, C) with "
            f"(H, W, C) = {wanted}, as the data set's images."
        )
    if labels is None:
        labels = np.full(len(pixels), like.num_classes)
    if labels.shape != (len(pixels),) or labels.dtype.kind not in "iu":
        raise UserError(
            f"samples={file} holds labels {labels.dtype} {labels.shape}; they must be integers (N,)."
        )
    if not 0 <= labels.min() <= labels.max() <= like.num_classes:
        raise UserError(
            f"samples={file} holds labels from {labels.min()} to {labels.max()}; they must be from 0 to "
            f"{like.num_classes}, which stands for none."
        )
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels).long()
