"""The base of every data set."""

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from diffusion_lightning.class_names import class_numbers
from diffusion_lightning.data.batches import Batch, BatchSampler, Flipped, ImageSet, Loader, PixelBatch
from diffusion_lightning.data.image_files import resized
from diffusion_lightning.data.survey import remarks_on_pixels
from diffusion_lightning.errors import UserError, check_counts
from diffusion_lightning.hashing import text_sha256
from diffusion_lightning.images import height_and_width
from diffusion_lightning.samples import from_stored, is_image

log = logging.getLogger(__name__)


class TensorImages(ImageSet):
    """A set of images in memory, uint8 (N, C, H, W), or of points, float32 (N, D); and labels (N,).

    Args:
        images: the samples.
        labels: one for each.
        key: which changes when the files do that they were read from; None is the hash of all pixels.
    """

    def __init__(self, images: Tensor, labels: Tensor, key: str | None = None) -> None:
        kind, dtype = ("images", "uint8") if is_image(images.shape[1:]) else ("points", "float32")
        if images.dtype != getattr(torch, dtype) or len(images) != len(labels):
            raise UserError(
                f"{len(images)} {kind} of {images.dtype} with {len(labels)} labels; {kind} must be {dtype}, "
                "with one label each."
            )
        self.images, self.labels = images, labels.long()
        self._key = key

    def __getitem__(self, indices: Tensor) -> PixelBatch:
        """The images and labels at the indices (B,)."""
        indices = indices.to(self.labels.device, non_blocking=True)
        return self.images[indices], self.labels[indices]

    def key(self) -> str:
        """That of the files they were read from, else of all pixels."""
        return self._key or super().key()

    def part(self, indices: Tensor, labels: Tensor) -> "TensorImages":
        """The images at the indices (M,), with these labels (M,)."""
        return TensorImages(self.images[indices], labels)

    def to(self, device: torch.device) -> "TensorImages":
        """The same set in the memory of a device."""
        return TensorImages(self.images.to(device), self.labels.to(device))


CPU = torch.device("cpu")

GPU_RESIDENT_BYTES = 2**30
"""A training set of up to this many bytes is kept on the GPU, so that no batch has to be moved there."""


class SampleData(ABC):
    """A data set in its official splits: images (`ImageData`), or samples of another shape.

    `DataModule` makes it what Lightning's trainer takes.

    Args:
        data_dir: the folder that holds the data, or into which it is downloaded.
        batch_size: images per process and step.
        shape: of a sample; the network is built for it.
        num_classes: K; 0 without labels.
        class_names: one name per label.
        seed: of the order and the flips.
        num_workers: processes that load batches from disk; a set in memory needs none.
        classes: use these alone, by name or number; they keep their order, and get the labels 0, 1, …
        limit: use at most this many images of each split: the same ones for any seed, drawn at random.

    Attributes:
        num_classes: of the classes in use.
        class_names: of the classes in use.
        classes: those in use, as a checkpoint names them; None for all.
        flip: mirror a random half of the training images.
        notice: what every picture and record calls the data, where the name of the class would not do.

    Raises:
        UserError: if a number is too small or a class unknown; in `setup`, if the samples are not as
            described.
    """

    notice: str = ""
    flip: bool = False

    def __init__(
        self,
        data_dir: str,
        batch_size: int,
        shape: Sequence[int],
        num_classes: int,
        class_names: Sequence[str] | None = None,
        seed: int = 0,
        num_workers: int = 0,
        classes: Sequence[int | str] | None = None,
        limit: int | None = None,
    ) -> None:
        check_counts(batch_size=batch_size)
        check_counts(least=0, num_classes=num_classes, seed=seed, num_workers=num_workers)
        if data_dir is None:
            raise UserError("data_dir is null; it must be a folder.")
        self.data_dir = Path(data_dir)
        self.batch_size = batch_size
        self.shape = tuple(shape)
        """(C, H, W) of an image, (D,) of a point."""
        self.num_classes = num_classes
        self.class_names = [str(name) for name in class_names] if class_names else None
        self.limit = limit
        self.classes: Sequence[int | str] | None = None
        self._numbers: list[int] | None = None
        if limit is not None:
            check_counts(limit=limit)
        if classes is not None:
            self._choose(classes)
        if self.num_classes and self.class_names and len(self.class_names) != self.num_classes:
            raise UserError(
                f"num_classes is {self.num_classes}, but there are {len(self.class_names)} class_names; set "
                f"dataset.num_classes={len(self.class_names)}, or give one name for each class."
            )
        self.seed = seed
        self.num_workers = num_workers
        self._sets: tuple[ImageSet, ImageSet] | None = None

    @property
    def title(self) -> str:
        """What titles and records call the data."""
        return self.notice or type(self).__name__

    def prepare_data(self) -> None:  # noqa: B027, as most sets download nothing
        """Download what is missing; one process does so for all of a machine."""

    @abstractmethod
    def load(self, train: bool) -> ImageSet:
        """The training or the test images."""

    def _choose(self, classes: Sequence[int | str]) -> None:
        """Keep these classes alone."""
        names, K = self.class_names, self.num_classes
        if all(isinstance(y, int) for y in classes) and len(classes) == K == len(names or classes):
            numbers: Iterable[Any] = classes  # a checkpoint's, which describes the classes in use
        else:
            numbers = class_numbers("dataset.classes", classes, K, names)
            self.class_names = names and [names[i] for i in sorted(set(numbers))]
        self._numbers = sorted(set(numbers))
        self.classes, self.num_classes = self._numbers, len(self._numbers)

    @property
    def train_images(self) -> ImageSet:
        """The training images, after `setup` or `find`."""
        return self._loaded(train=True)

    @property
    def test_images(self) -> ImageSet:
        """The test images, after `setup` or `find`."""
        return self._loaded(train=False)

    def _loaded(self, train: bool) -> ImageSet:
        assert self._sets is not None, "call setup() or find() first"
        return self._sets[0 if train else 1]

    def setup(self) -> None:
        """Load both splits once, with all that is kept in memory."""
        self.find()
        self.train_images.decode()
        self.test_images.decode()

    def find(self) -> None:
        """Find both splits once; files are decoded when one of their images is needed."""
        if self._sets is None:
            self._sets = self.split(train=True), self.split(train=False)
            for remark in self.remarks():
                log.warning("%s: %s", self, remark)

    def split(self, train: bool) -> ImageSet:
        """The training or the test images as the run sees them: the classes in use, the limit, the size."""
        images = self.load(train)
        self._check(images)
        return self._chosen(images, train)

    def remarks(self) -> Iterable[str]:
        """What a person should know of the images, one line each."""
        return ()

    def __str__(self) -> str:
        return type(self).__name__

    def _chosen(self, images: ImageSet, train: bool) -> ImageSet:
        """The images of the classes in use, at most `limit` of them."""
        if self._numbers is None and (self.limit is None or len(images) <= self.limit):
            return images
        labels, kept = images.labels, torch.arange(len(images))
        if self._numbers is not None:
            numbers = torch.tensor(self._numbers)
            found, labels = (labels[:, None] == numbers).max(1)
            kept, missing = kept[found], torch.bincount(labels[found], minlength=len(numbers)) == 0
            if missing.any() and train:
                unseen = numbers[missing].tolist()
                raise UserError(f"dataset.classes: no training image is of the classes {unseen}.")
        if self.limit is not None:
            random = torch.randperm(len(kept), generator=torch.Generator().manual_seed(0))
            kept = kept[random[: self.limit].sort().values]
        return images.part(kept, labels[kept])

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
        self._check_shape(images)
        largest = int(images.labels.max())
        if self.num_classes and largest >= self.num_classes and self._numbers is None:
            raise UserError(
                f"the labels go up to {largest}, but dataset.num_classes is {self.num_classes}; set "
                f"dataset.num_classes={largest + 1}."
            )

    def _check_shape(self, images: ImageSet) -> None:
        if images.shape != self.shape:
            raise UserError(f"the samples are {images.shape}, but the data set says {self.shape}.")

    def batches(
        self, train: bool, shuffle: bool | None = None, rank: int = 0, world_size: int = 1
    ) -> BatchSampler:
        """Which images make up each batch, after `setup`.

        Args:
            train: of the training images, or else the test images.
            shuffle: None shuffles the training images alone.
            rank: number of this process.
            world_size: number of processes.
        """
        return BatchSampler(
            len(self._loaded(train)),
            self.batch_size,
            self.seed,
            shuffle=train if shuffle is None else shuffle,
            flip=self.flip,
            rank=rank,
            world_size=world_size,
        )

    def loader(self, train: bool, batches: BatchSampler | None = None, device: torch.device = CPU) -> Loader:
        """Batches as they are stored, after `setup`; `as_seen` makes them what a model sees.

        Args:
            train: of the training images, shuffled, or else of the test images in order.
            batches: which images make up each; None for those of a single process.
            device: where they will be moved; a small training set is kept on a GPU as a whole.
        """
        images = self._loaded(train)
        workers = 0 if isinstance(images, TensorImages) else self.num_workers
        if isinstance(images, TensorImages) and train and device.type == "cuda":
            images = images.to(device) if images.images.nbytes <= GPU_RESIDENT_BYTES else images
        return Loader(
            Flipped(images),
            sampler=self.batches(train) if batches is None else batches,
            batch_size=None,  # the sampler yields whole batches
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=device.type == "cuda" and images.labels.device.type == "cpu",
        )

    def as_seen(self, batch: PixelBatch) -> Batch:
        """A batch as a model sees it: uint8 to float32 in [-1, 1], on the device where it is."""
        x, y = batch
        return from_stored(x), y


class ImageData(SampleData):
    """A data set of images: stored as uint8, given to the model as float32 in [-1, 1].

    The arguments not listed here are those of `SampleData`.

    Args:
        image_channels: C; the network is built for it.
        image_size: H = W, or [H, W], for which the network is built too. Images of another size are resized
            until they cover it, and their centre is cropped.
        flip: mirror a random half of the training images.

    Raises:
        UserError: if a number is too small or a class unknown; in `setup`, if the images are not as
            described.
    """

    def __init__(
        self,
        data_dir: str,
        batch_size: int,
        image_channels: int,
        image_size: int | Sequence[int],
        num_classes: int,
        class_names: Sequence[str] | None = None,
        flip: bool = False,
        seed: int = 0,
        num_workers: int = 0,
        classes: Sequence[int | str] | None = None,
        limit: int | None = None,
    ) -> None:
        check_counts(image_channels=image_channels)
        height, width = height_and_width(image_size)
        check_counts(image_size=min(height, width))
        shape = image_channels, height, width
        super().__init__(
            data_dir, batch_size, shape, num_classes, class_names, seed, num_workers, classes, limit
        )
        self.image_channels = image_channels
        self.image_size = image_size
        self.flip = flip

    def split(self, train: bool) -> ImageSet:
        """The training or the test images as the run sees them: the classes in use, the limit, the size."""
        images = super().split(train)
        if isinstance(images, TensorImages) and images.shape[1:] != self.shape[1:]:
            images = TensorImages(resized(images.images, self.shape[1:]), images.labels)
        return images

    def remarks(self) -> Iterable[str]:
        """What a person should know of the images, one line each."""
        return remarks_on_pixels(self.train_images)

    def _check_shape(self, images: ImageSet) -> None:
        whole = isinstance(images, TensorImages)  # others cannot be resized once and for all
        if images.shape[:1] != self.shape[:1] or (images.shape != self.shape and not whole):
            raise UserError(
                f"the images are {images.shape} (C, H, W), but dataset.image_channels and dataset.image_size "
                f"say {self.shape}; set them to what the images are."
            )
