"""The images that are measured, drawn by a model or read from a file, and the data they are compared with."""

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
from diffusion_lightning.evaluation.measure import ImageBlock
from diffusion_lightning.images import to_uint8
from diffusion_lightning.sampling.generate import generate_sharded
from diffusion_lightning.sampling.model import Trained, device_of, load_trained


@dataclass(frozen=True)
class EvaluationInputs:
    """The inputs of an evaluation.

    Args:
        blocks: the images, block by block.
        total: number of images.
        data: the data set that they should resemble.
        extractor: computes their features; on its device.
        trained: the model that draws them; None for images from a file.
    """

    blocks: Iterator[ImageBlock]
    total: int
    data: ImageData
    extractor: nn.Module
    trained: Trained | None

    @property
    def nfe(self) -> int | None:
        """Evaluations of the network per walk; None for images from a file."""
        return max(self.trained.evaluations) if self.trained else None

    @property
    def dtype(self) -> str | None:
        """The precision of the network; None for images from a file."""
        return self.trained.dtype if self.trained else None


def load_inputs(cfg: DictConfig) -> EvaluationInputs:
    """The inputs that the config of `evaluate.py` describes; `samples=` wins over the checkpoint's model.

    Raises:
        UserError: if an input is unusable or missing.
    """
    trained = load_trained(cfg) if cfg.checkpoint else None
    data, extractor = _data(cfg, trained), _extractor(cfg, trained).to(device_of(cfg.device))
    if cfg.samples:
        pixels, labels = read_npz(Path(cfg.samples), data)
        return EvaluationInputs(given_images(pixels, labels), len(pixels), data, extractor, None)
    assert trained is not None
    return EvaluationInputs(drawn_images(trained, cfg.num_images), cfg.num_images, data, extractor, trained)


def _data(cfg: DictConfig, trained: Trained | None) -> ImageData:
    if cfg.dataset:
        data, _ = build_data(changed(cfg, {"dataset.data_dir": cfg.data_dir or "data/"}))
        data.prepare_data()
        return data  # type: ignore[return-value]
    if trained is None:
        raise UserError(
            "there is no data set to compare the samples with; add dataset=<name>, such as dataset=mnist."
        )
    return load_data_set(trained.data, cfg.data_dir, tuple(cfg.trust))


def _extractor(cfg: DictConfig, trained: Trained | None) -> nn.Module:
    if cfg.extractor:
        return build_extractor(cfg)
    if trained is None or "extractor" not in trained.run:
        raise UserError(
            "there is no feature extractor; add extractor=inception (the field's), or one that was trained "
            "on the data, such as extractor=mnist."
        )
    return frozen(build_trusted("extractor", trained.run.extractor, nn.Module, tuple(cfg.trust)))


def drawn_images(trained: Trained, num_images: int) -> Iterator[ImageBlock]:
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
        yield ImageBlock(to_uint8(images), labels, count)


def given_images(pixels: Tensor, labels: Tensor) -> Iterator[ImageBlock]:
    """Existing images uint8 (N, C, H, W) with labels (N,), block by block."""
    size = 500 * world_size()
    for start in range(0, len(pixels), size):
        block = range(start, min(start + size, len(pixels)))
        mine = shard(block)
        yield ImageBlock(pixels[mine], labels[mine], len(block))


def read_npz(file: Path, like: ImageData) -> tuple[Tensor, Tensor]:
    """Images uint8 (N, C, H, W) and labels (N,) of an .npz file; without labels, all are the null label.

    The file is in the field's evaluation format: `arr_0` uint8 (N, H, W, C), or (N, H, W) for grey images,
    and optionally `arr_1`, labels (N,).

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
    if pixels.ndim == 3:
        pixels = pixels[..., None]
    wanted = like.image_size, like.image_size, like.image_channels
    if pixels.dtype != np.uint8 or pixels.shape[1:] != wanted or len(pixels) == 0:
        raise UserError(
            f"samples={file} holds {pixels.dtype} {pixels.shape}; they must be uint8 (N, H, W, C) with "
            f"(H, W, C) = {wanted}, like the data set's images."
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
            f"{like.num_classes}, which stands for no label."
        )
    return torch.from_numpy(pixels).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels).long()
