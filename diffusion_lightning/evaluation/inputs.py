"""The images that are measured, drawn by a model or read from a file, and the data they are compared with."""

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from diffusion_lightning.captions import NOTICE
from diffusion_lightning.checkpoints.reader import load_data_set
from diffusion_lightning.checkpoints.trust import build_trusted
from diffusion_lightning.config.build import build_data, build_extractor, frozen
from diffusion_lightning.config.changed import changed
from diffusion_lightning.data.base import SampleData
from diffusion_lightning.distributed import shard, world_size
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.measure import ImageBlock
from diffusion_lightning.images import is_narrow
from diffusion_lightning.samples import is_image, to_stored
from diffusion_lightning.sampling.devices import available_device
from diffusion_lightning.sampling.generate import generate_sharded
from diffusion_lightning.sampling.likelihood import Bits
from diffusion_lightning.sampling.request import SamplingRequest, load_request
from diffusion_lightning.sampling.trained import Walk

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationInputs:
    """The inputs of an evaluation.

    Args:
        blocks: the images, block by block.
        total: number of images.
        data: the data set that they should resemble.
        extractor: computes their features; on its device.
        request: the model that draws them, and how; None for images from a file.
    """

    blocks: Iterator[ImageBlock]
    total: int
    data: SampleData
    extractor: nn.Module
    request: SamplingRequest | None

    @property
    def likelihood(self) -> Callable[..., Bits] | None:
        """The bits per dimension of (pixels, labels) under the model; None for images from a file."""
        return self.request.likelihood if self.request else None

    @property
    def title(self) -> str:
        """Whose images are compared with which data, for the titles of pictures."""
        data = f"{self.total} images, and the training images of {self.data.title}"
        return self.request.title(data) if self.request else data

    @property
    def notice(self) -> str:
        """What every picture of the images says of the data that their model learned."""
        return self.request.model.config.get(NOTICE, "") if self.request else ""

    @property
    def nfe(self) -> int | None:
        """Evaluations of the network in the longest walk; None for images from a file."""
        return self.request.nfe if self.request else None

    @property
    def dtype(self) -> str | None:
        """The type in which the network multiplied; None for images from a file."""
        return self.request.dtype if self.request else None


def load_inputs(cfg: DictConfig, data: SampleData) -> EvaluationInputs:
    """The inputs that the config of `evaluate.py` describes; `samples=` wins over the checkpoint's model.

    Args:
        cfg: the config.
        data: what `data_set` found; a set that the config names is downloaded.

    Raises:
        UserError: if an input is unusable or missing, or there is only one image.
    """
    request = load_request(cfg) if cfg.checkpoint else None
    if cfg.dataset:
        data.prepare_data()
    extractor = _extractor(cfg, request).to(available_device(cfg.device))
    if cfg.samples:
        pixels, labels = read_npz(Path(cfg.samples), data)
        if len(pixels) < 2:
            raise UserError(f"samples={cfg.samples} holds one image; an evaluation takes at least two.")
        return EvaluationInputs(given_images(pixels, labels), len(pixels), data, extractor, None)
    assert request is not None
    return EvaluationInputs(drawn_images(request, cfg.num_images), cfg.num_images, data, extractor, request)


def data_set(cfg: DictConfig, learned: Mapping[str, Any]) -> SampleData:
    """The data set that the images should resemble; its files may still have to be downloaded.

    Args:
        cfg: the config.
        learned: the checkpoint's config; empty without a checkpoint.

    Raises:
        UserError: if there is none, or it is not usable.
    """
    if cfg.dataset:
        data, _ = build_data(changed(cfg, {"dataset.data_dir": cfg.data_dir or "data/"}))
        return data
    if not learned:
        raise UserError(
            "there is no data set to compare the samples with; add dataset=<name>, such as dataset=mnist."
        )
    return load_data_set(learned["dataset"], cfg.data_dir, cfg.trust)


def _extractor(cfg: DictConfig, request: SamplingRequest | None) -> nn.Module:
    if cfg.extractor:
        return build_extractor(cfg)
    if request is None or "extractor" not in request.model.config:
        raise UserError(
            "there is no feature extractor; add extractor=inception (the field's), or one that was trained "
            "on the data, such as extractor=mnist."
        )
    config = request.model.config["extractor"]
    return frozen(build_trusted("extractor", config, nn.Module, request.trust))


def drawn_images(request: SamplingRequest, num_images: int) -> Iterator[ImageBlock]:
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
        yield ImageBlock(to_stored(images), labels, count)


def given_images(pixels: Tensor, labels: Tensor) -> Iterator[ImageBlock]:
    """Existing images, as they are stored, (N, *), with labels (N,), block by block."""
    size = 500 * world_size()
    for start in range(0, len(pixels), size):
        block = range(start, min(start + size, len(pixels)))
        mine = shard(block)
        yield ImageBlock(pixels[mine], labels[mine], len(block))


def read_npz(file: Path, like: SampleData) -> tuple[Tensor, Tensor]:
    """Samples as they are stored and labels (N,) of an .npz file; without labels, all are the null label.

    The file is in the field's evaluation format: `arr_0` uint8 (N, H, W, C), or (N, H, W) for grey images, or
    float32 (N, D) for points, and optionally `arr_1`, labels (N,).

    Raises:
        UserError: if the file is not in this format, or its images are not of the data's shape.
    """
    try:
        with np.load(file, allow_pickle=False) as arrays:
            pixels, labels = arrays["arr_0"], arrays.get("arr_1")
    except Exception as error:  # a damaged file may raise anything
        raise UserError(
            f"samples={file} cannot be read ({error}); it must be an .npz file with arr_0, uint8 "
            "(N, H, W, C), and without pickled objects."
        ) from None
    kind, axes = (np.uint8, "(H, W, C)") if is_image(like.shape) else (np.float32, "(D,)")
    if pixels.ndim == 3 and is_image(like.shape):
        pixels = pixels[..., None]
    channels, *size = like.shape
    wanted = *size, channels
    if pixels.dtype != kind or pixels.shape[1:] != wanted or len(pixels) == 0:
        raise UserError(
            f"samples={file} holds {pixels.dtype} {pixels.shape}; they must be {kind.__name__} (N, "
            f"{axes[1:]} with {axes} = {wanted}, like the data set's images."
        )
    if is_image(like.shape) and is_narrow(low := int(pixels.min()), high := int(pixels.max()), 0, 255):
        log.warning("samples=%s: its values go from %d to %d only; white is 255", file, low, high)
    if labels is None:
        labels = np.full(len(pixels), like.num_classes)
    if labels.shape != (len(pixels),) or labels.dtype.kind not in "iu":
        raise UserError(
            f"samples={file} holds labels {labels.dtype} {labels.shape}; they must be integers (N,)."
        )
    if not 0 <= labels.min() <= labels.max() <= like.num_classes:
        raise UserError(
            f"samples={file} holds labels from {labels.min()} to {labels.max()}; they must be from 0 to "
            f"{like.num_classes}, which stands for no label."
        )
    return torch.from_numpy(pixels).movedim(-1, 1).contiguous(), torch.from_numpy(labels).long()
