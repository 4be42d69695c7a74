"""Random images for all programs, and how fast images are loaded."""

from collections.abc import Iterator
from itertools import count
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.settings import CASES, Row, Settings
from benchmarks.timing import Stopwatch
from diffusion_lightning.data.base import ImageData, TensorImages
from diffusion_lightning.data.batches import BatchSampler, Flipped, Loader

NUM_IMAGES = 50_000


class RandomImages(ImageData):
    """Random pixels and labels in memory, in place of any data set.

    Args:
        copy: which files of a set are read; here there are none.
        options: of `ImageData`.
    """

    def __init__(self, *, copy: str | None = None, **options: Any) -> None:
        super().__init__(**options)

    def load(self, train: bool) -> TensorImages:
        """As many as a real set has; of test images a single batch."""
        rng = torch.Generator().manual_seed(self.seed)
        n = NUM_IMAGES if train else self.batch_size
        pixels = torch.randint(0, 256, (n, *self.shape), generator=rng, dtype=torch.uint8)
        return TensorImages(pixels, torch.randint(0, self.num_classes, (n,), generator=rng))


def batches(data: ImageData, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (B, C, H, W) in [-1, 1] and labels (B,) on the device, epoch after epoch.

    As in training, the whole set is there: nobody waits for a batch to be moved.
    """
    images = data.load(train=True).to(torch.device(device))  # type: ignore[attr-defined]
    order = BatchSampler(len(images), data.batch_size, data.seed, flip=data.flip)
    loader = Loader(Flipped(images), sampler=order, batch_size=None)
    for epoch in count():
        order.set_epoch(epoch)
        for batch in loader:
            yield data.as_seen(batch)


def random_batches(case: str, settings: Settings) -> Iterator[tuple[Tensor, Tensor]]:
    """The case's batches, for programs that have no config."""
    return batches(random_images(case, CASES[case].images(settings)), settings.device)


def random_images(case: str, batch: int) -> RandomImages:
    """The case's images, so many a batch."""
    channels, size, _ = CASES[case].shape
    return RandomImages(
        data_dir=".",
        batch_size=batch,
        image_channels=channels,
        image_size=size,
        num_classes=10,
        flip=CASES[case].flip,
    )


class Pictures(Dataset[tuple[Tensor, int]]):
    """The same images one by one, as torchvision's data sets and transforms hand them out."""

    def __init__(self, images: TensorImages, flip: bool) -> None:
        from torchvision import transforms as T

        channels = images.images.shape[1]
        self.pixels = images.images.permute(0, 2, 3, 1).squeeze(-1).numpy()
        self.labels = images.labels.tolist()
        normalize = T.Normalize([0.5] * channels, [0.5] * channels)
        self.transform = T.Compose([*([T.RandomHorizontalFlip()] if flip else []), T.ToTensor(), normalize])

    def __len__(self) -> int:
        """How many."""
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        """An image (C, H, W) in [-1, 1] and its label."""
        from PIL import Image

        return self.transform(Image.fromarray(self.pixels[index])), self.labels[index]


def run(case: str, program: str, settings: Settings) -> list[Row]:
    """Batch after batch, as large as its recipe's: 64 images of MNIST's size, 128 of CIFAR-10's."""
    batch, flip = CASES[case].gpu_batch, CASES[case].flip
    data = random_images(case, batch)
    loaded = batches(data, settings.device)
    if program == "torchvision":
        pictures = DataLoader(Pictures(data.load(train=True), flip), batch, shuffle=True, drop_last=True)
        epochs = (batch for _ in count() for batch in pictures)
        loaded = ((x.to(settings.device), y.to(settings.device)) for x, y in epochs)
    watch = Stopwatch(settings, budget=2.0)
    while watch.lap():
        next(loaded)
    return [watch.row(batch)]
