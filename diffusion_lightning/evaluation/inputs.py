"""Whose images are measured: a model's, or those in a file; and the data that they are measured against."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig
from torch import Tensor, nn

from diffusion_lightning.checkpoints.reader import load_data_set
from diffusion_lightning.checkpoints.trust import build_trusted
from diffusion_lightning.config.build import build_data, build_extractor, frozen
from diffusion_lightning.config.changed import changed
from diffusion_lightning.data.base import ImageData
from diffusion_lightning.distributed import shard, world_size
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.measure import Part
from diffusion_lightning.images import to_uint8
from diffusion_lightning.sampling.generate import generate_sharded
from diffusion_lightning.sampling.model import Trained, device_of, load_trained


@dataclass(frozen=True)
class EvaluationInputs:
    """What is measured, and by what.

    Args:
        parts: the images, in blocks.
        total: how many they are.
        module: the data set that they should be like.
        extractor: what makes their features, on its device.
        trained: the model that draws them, if they are drawn.
    """

    parts: Iterator[Part]
    total: int
    module: ImageData
    extractor: nn.Module
    trained: Trained | None

    @property
    def nfe(self) -> int | None:
        """Evaluations of the network in a walk; None if nothing was drawn."""
        return max(self.trained.evaluations) if self.trained else None

    @property
    def dtype(self) -> str | None:
        """What the network multiplied in; None if nothing was drawn."""
        return self.trained.dtype if self.trained else None


def load_inputs(cfg: DictConfig) -> EvaluationInputs:
    """What `evaluate.py` is asked to measure; samples= goes before the checkpoint's model.

    Raises:
        UserError: if something is not usable, or not said.
    """
    trained = load_trained(cfg) if cfg.checkpoint else None
    module, extractor = _module(cfg, trained), _extractor(cfg, trained).to(device_of(cfg.device))
    if cfg.samples:
        pixels, labels = read_npz(Path(cfg.samples), module)
        return EvaluationInputs(given(pixels, labels), len(pixels), module, extractor, None)
    assert trained is not None
    return EvaluationInputs(drawn(trained, cfg.num_images), cfg.num_images, module, extractor, trained)


def _module(cfg: DictConfig, trained: Trained | None) -> ImageData:
    if cfg.dataset:
        module, _ = build_data(changed(cfg, {"dataset.data_dir": cfg.data_dir or "data/"}))
        module.prepare_data()
        return module  # type: ignore[return-value]
    if trained is None:
        raise UserError("which data set are the samples like? Add dataset=<name>, such as dataset=mnist.")
    return load_data_set(trained.data, cfg.data_dir, tuple(cfg.trust))


def _extractor(cfg: DictConfig, trained: Trained | None) -> nn.Module:
    if cfg.extractor:
        return build_extractor(cfg)
    if trained is None or "extractor" not in trained.run:
        raise UserError(
            "on which features? Add extractor=inception (the field's), or one that knows the data, such as "
            "extractor=mnist."
        )
    return frozen(build_trusted("extractor", trained.run.extractor, nn.Module, tuple(cfg.trust)))


def drawn(trained: Trained, num_images: int) -> Iterator[Part]:
    """A model's images, batch by batch."""
    for images, labels, count, nfe in generate_sharded(
        trained.sampling,
        trained.denoiser,
        trained.labels,
        num_images,
        trained.shape,
        trained.seed,
        trained.batch_size,
    ):
        trained.evaluations.append(nfe)
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
