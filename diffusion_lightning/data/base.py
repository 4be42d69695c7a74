"""The base of every data module."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch
from lightning.pytorch import LightningDataModule, Trainer
from torch import Tensor
from torch.utils.data import DataLoader

from diffusion_lightning.data.batches import Batch, BatchSampler, Flipped, ImageSet, Loader, PixelBatch
from diffusion_lightning.errors import UserError, check_counts
from diffusion_lightning.hashing import text_sha256
from diffusion_lightning.images import from_uint8


class TensorImages(ImageSet):
    """A set of images in memory: uint8 (N, C, H, W) and labels (N,)."""

    def __init__(self, images: Tensor, labels: Tensor) -> None:
        if images.dtype != torch.uint8 or len(images) != len(labels):
            raise UserError(
                f"{len(images)} images of {images.dtype} with {len(labels)} labels; images must be uint8, "
                "with one label each."
            )
        self.images, self.labels = images, labels.long()

    def __getitem__(self, indices: Tensor) -> PixelBatch:
        """The images and labels at the indices (B,)."""
        indices = indices.to(self.labels.device, non_blocking=True)
        return self.images[indices], self.labels[indices]

    def to(self, device: torch.device) -> "TensorImages":
        """The same set in the memory of a device."""
        return TensorImages(self.images.to(device), self.labels.to(device))


GPU_RESIDENT_BYTES = 2**30
"""A training set of up to this many bytes is kept on the GPU, so that no batch has to be moved there."""


class ImageData(LightningDataModule, ABC):
    """A data set in its official splits: stored as uint8, given to the model as float32 in [-1, 1].

    Args:
        data_dir: the folder that holds the data, or into which it is downloaded.
        batch_size: images per process and step.
        image_channels, image_size: C and H = W; the network is built for them.
        num_classes: K; 0 without labels.
        class_names: one name per label.
        flip: mirror a random half of the training images.
        seed: of the order and the flips.
        num_workers: processes that load batches from disk; a set in memory needs none.

    Raises:
        UserError: if a number is too small; in `setup`, if the images are not as described.
    """

    def __init__(
        self,
        data_dir: str,
        batch_size: int,
        image_channels: int,
        image_size: int,
        num_classes: int,
        class_names: Sequence[str] | None = None,
        flip: bool = False,
        seed: int = 0,
        num_workers: int = 0,
    ) -> None:
        super().__init__()
        check_counts(batch_size=batch_size, image_channels=image_channels, image_size=image_size)
        check_counts(least=0, num_classes=num_classes, seed=seed, num_workers=num_workers)
        if data_dir is None:
            raise UserError("data_dir is null; it must be a folder.")
        self.data_dir = Path(data_dir)
        self.batch_size = batch_size
        self.image_channels = image_channels
        self.image_size = image_size
        self.num_classes = num_classes
        self.class_names = [str(name) for name in class_names] if class_names else None
        self.flip = flip
        self.seed = seed
        self.num_workers = num_workers
        self._sets: tuple[ImageSet, ImageSet] | None = None

    @abstractmethod
    def load(self, train: bool) -> ImageSet:
        """The training or the test images."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        return self.image_channels, self.image_size, self.image_size

    @property
    def train_images(self) -> ImageSet:
        """The training images, after `setup`."""
        return self._loaded(train=True)

    @property
    def test_images(self) -> ImageSet:
        """The test images, after `setup`."""
        return self._loaded(train=False)

    def _loaded(self, train: bool) -> ImageSet:
        assert self._sets is not None, "call setup() first"
        return self._sets[0 if train else 1]

    def setup(self, stage: str | None = None) -> None:
        """Load both splits once."""
        if self._sets is None:
            sets = self.load(train=True), self.load(train=False)
            for images in sets:
                self._check(images)
            self._sets = sets

    def contents(self) -> str | None:
        """SHA-256 of images and labels, by which they are known in any folder; None if they are not there."""
        try:
            self.setup()
        except UserError:
            return None
        return text_sha256(f"{self.train_images.sha256()} {self.test_images.sha256()}")

    def _check(self, images: ImageSet) -> None:
        if len(images) == 0:
            raise UserError("the data set is empty.")
        shape = tuple(images[torch.tensor([0])][0].shape[1:])
        if shape != self.shape:
            raise UserError(
                f"the images are {shape} (C, H, W), but dataset.image_channels and dataset.image_size say "
                f"{self.shape}; set them to what the images are."
            )
        largest = int(images.labels.max())
        if self.num_classes and largest >= self.num_classes:
            raise UserError(
                f"the labels go up to {largest}, but dataset.num_classes is {self.num_classes}; set "
                f"dataset.num_classes={largest + 1}."
            )

    @property
    def train_batches(self) -> BatchSampler:
        """Which images make up each batch of training, after `setup`."""
        return self._batches(train=True)

    def train_dataloader(self) -> DataLoader:
        """Shuffled batches."""
        return self._loader(train=True)

    def val_dataloader(self) -> DataLoader:
        """The test split in order."""
        return self._loader(train=False)

    def _loader(self, train: bool) -> DataLoader:
        images = self._loaded(train)
        workers = 0 if isinstance(images, TensorImages) else self.num_workers
        device = self.trainer.strategy.root_device if self.trainer else torch.device("cpu")
        if isinstance(images, TensorImages) and train and device.type == "cuda":
            images = images.to(device) if images.images.nbytes <= GPU_RESIDENT_BYTES else images
        return Loader(
            Flipped(images),
            sampler=self._batches(train),
            batch_size=None,  # the sampler yields whole batches
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=device.type == "cuda" and images.labels.device.type == "cpu",
        )

    def _batches(self, train: bool) -> BatchSampler:
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        # A run that overfits sees the same few batches in every epoch
        overfit = self.trainer is not None and self.trainer.overfit_batches > 0  # type: ignore[attr-defined]
        return BatchSampler(
            len(self._loaded(train)),
            self.batch_size,
            self.seed,
            shuffle=train and not overfit,
            flip=self.flip,
            rank=rank,
            world_size=world,
        )

    def on_after_batch_transfer(self, batch: PixelBatch, dataloader_idx: int) -> Batch:
        """uint8 to float32 in [-1, 1], on the device."""
        x, y = batch
        return from_uint8(x), y


def data_of(trainer: Trainer) -> ImageData:
    """The trainer's data module."""
    return trainer.datamodule  # type: ignore[attr-defined]
