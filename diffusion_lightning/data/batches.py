"""Which images make up a batch: a pure function of (seed, epoch)."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, SequentialSampler

from diffusion_lightning.diffusion.noise import derive_seed
from diffusion_lightning.hashing import tensors_sha256

Selection = tuple[Tensor, Tensor]
"""What a batch is made of: the indices (B,) of its images, and which of them are mirrored (B,)."""

PixelBatch = tuple[Tensor, Tensor]
"""uint8 images (B, C, H, W) and labels (B,), as they are stored and moved to the device."""

Batch = tuple[Tensor, Tensor]
"""Images (B, C, H, W) in [-1, 1] and labels (B,), as a model sees them."""


class BatchSampler(SequentialSampler):
    """Yields a `Selection` for each batch of an epoch.

    With W processes, global batch i is a run of B W images of the epoch's order, and each process takes its
    shard of it, so W processes see what one process with batches of B W images sees. Training leaves out the
    incomplete last batch, unless it is the only one. No process ever gets an empty batch: a last batch of
    fewer than W images joins the one before it, and of a set of fewer than W images some processes see the
    same one.

    Under `trainer.overfit_batches` Lightning replaces every sampler that is not a `SequentialSampler`.

    Args:
        num_images: size of the set.
        batch_size: B, per process.
        seed: of order and flips.
        shuffle: shuffle, and leave out the incomplete last batch; otherwise every image comes once, in order
            and unmirrored.
        flip: mirror a random half of the images, if they are shuffled.
        rank: number of this process.
        world_size: W.
    """

    def __init__(
        self,
        num_images: int,
        batch_size: int,
        seed: int = 0,
        *,
        shuffle: bool = True,
        flip: bool = False,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.num_images = num_images
        self.batch_size = batch_size
        self.seed = seed
        self.shuffle = shuffle
        self.flip = flip
        self.rank = rank
        self.world_size = world_size
        self.epoch = 0
        self.start = 0

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch's order; Lightning calls this."""
        if epoch != self.epoch:
            self.go_to(epoch, 0)

    def go_to(self, epoch: int, batch: int) -> None:
        """Begin the epoch with this batch instead of its first."""
        self.epoch, self.start = epoch, batch

    def __len__(self) -> int:
        """Batches per epoch."""
        whole, rest = divmod(self.num_images, self.batch_size * self.world_size)
        # All processes need the same number of batches, none empty, or the collective calls hang.
        return max(1, whole if self.shuffle or rest < self.world_size else whole + 1)

    def __iter__(self) -> Iterator[Selection]:  # type: ignore[override]
        """The epoch's batches for this process, from `start` on."""
        rng = torch.Generator().manual_seed(derive_seed(self.seed, self.epoch))
        order, flips = torch.arange(self.num_images), torch.zeros(self.num_images, dtype=torch.bool)
        if self.shuffle:
            order = torch.randperm(self.num_images, generator=rng)
            if self.flip:
                flips = torch.rand(self.num_images, generator=rng) < 0.5
        for i in range(self.start, len(self)):
            mine = self._shard(i, self.rank)
            yield order[mine.start : mine.stop : mine.step], flips[mine.start : mine.stop : mine.step]

    def images_in(self, batch: int) -> int:
        """Images of a batch, counted over all processes."""
        return sum(len(self._shard(batch, rank)) for rank in range(self.world_size))

    def _shard(self, batch: int, rank: int) -> range:
        """The places in the epoch's order of the images that a process sees in a batch."""
        size = self.batch_size * self.world_size
        takes_the_rest = batch == len(self) - 1 and not (self.shuffle and self.num_images >= size)
        end = self.num_images if takes_the_rest else (batch + 1) * size
        return range(batch * size + rank % self.num_images, end, self.world_size)


class Loader(DataLoader):
    """A loader with a `BatchSampler`, whose place in the epoch is part of Lightning's checkpoints."""

    sampler: BatchSampler
    batch = 0
    """The number of the latest batch."""

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        """The epoch's batches, from where a checkpoint left off."""
        for number, images in enumerate(super().__iter__(), self.sampler.start):
            self.batch = number
            yield images

    def state_dict(self) -> dict[str, int]:
        """The place: a checkpoint is written before the latest batch is trained on."""
        return {"epoch": self.sampler.epoch, "batch": self.batch}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go to the place."""
        self.sampler.go_to(state["epoch"], state["batch"])


class ImageSet(Dataset[PixelBatch], ABC):
    """A set of N images that gives a whole batch at once; labels is int64 (N,)."""

    labels: Tensor
    _sha256: str | None = None

    def __len__(self) -> int:
        """N."""
        return len(self.labels)

    @abstractmethod
    def __getitem__(self, indices: Tensor) -> PixelBatch:
        """uint8 images (B, C, H, W) and labels (B,) at the indices (B,)."""

    @property
    def shape(self) -> tuple[int, ...]:
        """(C, H, W) of an image."""
        return tuple(self[torch.tensor([0])][0].shape[1:])

    def part(self, indices: Tensor, labels: Tensor) -> "ImageSet":
        """The images at the indices (M,), with these labels (M,)."""
        return Part(self, indices, labels)

    def decode(self) -> None:
        """Decode now what is kept in memory and would be decoded with the first image."""

    def sha256(self) -> str:
        """SHA-256 of all pixels and labels, read once."""
        if self._sha256 is None:
            blocks = torch.arange(len(self)).split(1000)
            self._sha256 = tensors_sha256(
                named for block in blocks for named in zip(("x", "y"), self[block], strict=True)
            )
        return self._sha256

    def key(self) -> str:
        """What cached statistics of the set are found by; of files, what says that they are the same."""
        return self.sha256()


class Part(ImageSet):
    """Some images of a set, with labels of their own."""

    def __init__(self, whole: ImageSet, indices: Tensor, labels: Tensor) -> None:
        self.whole, self.indices, self.labels = whole, indices, labels

    def __getitem__(self, indices: Tensor) -> PixelBatch:
        """The images and labels at the indices (B,)."""
        return self.whole[self.indices[indices]][0], self.labels[indices]


class Flipped(Dataset[PixelBatch]):
    """Batches of a set of images, with the images mirrored that a `Selection` marks."""

    def __init__(self, images: ImageSet) -> None:
        self.images = images

    def __getitem__(self, selection: Selection) -> PixelBatch:
        """uint8 images (B, C, H, W) and labels (B,)."""
        indices, flips = selection
        x, y = self.images[indices]
        if flips.any():
            flips = flips.to(x.device, non_blocking=True)
            x = torch.where(flips.view(-1, 1, 1, 1), x.flip(-1), x)
        return x, y
