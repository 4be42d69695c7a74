"""Random images for all programs, and how fast images are loaded."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from benchmarks.settings import CASES, Row, Settings
from benchmarks.timing import Stopwatch
from diffusion_lightning.data.base import ImageData, TensorImages

NUM_IMAGES = 50_000


class RandomImages(ImageData):
    """Random pixels and labels in memory, in place of any data set."""

    def load(self, train: bool) -> TensorImages:
        """As many as a real set has; of test images a single batch."""
        rng = torch.Generator().manual_seed(self.seed)
        n = NUM_IMAGES if train else self.batch_size
        pixels = torch.randint(0, 256, (n, *self.shape), generator=rng, dtype=torch.uint8)
        return TensorImages(pixels, torch.randint(0, self.num_classes, (n,), generator=rng))


def batches(data: ImageData, device: str) -> Iterator[tuple[Tensor, Tensor]]:
    """Images (B, C, H, W) in [-1, 1] and labels (B,) on the device, epoch after epoch."""
    data.setup()
    loader: Any = data.train_dataloader()
    epoch = 0
    while True:
        loader.sampler.set_epoch(epoch)
        for x, y in loader:
            moved = x.to(device, non_blocking=True), y.to(device, non_blocking=True)
            yield data.on_after_batch_transfer(moved, 0)
        epoch += 1


def random_batches(case: str, settings: Settings) -> Iterator[tuple[Tensor, Tensor]]:
    """The case's batches, for programs that have no config."""
    channels, size, _ = CASES[case].shape
    data = RandomImages(".", CASES[case].images(settings), channels, size, num_classes=10)
    return batches(data, settings.device)


class Pictures(Dataset[tuple[Tensor, int]]):
    """The same images one by one, as torchvision's data sets and transforms hand them out."""

    def __init__(self, images: TensorImages, flip: bool) -> None:
        from torchvision import transforms as T

        shape = images.images.permute(0, 2, 3, 1)
        self.pixels, self.labels = shape.squeeze(-1).numpy(), images.labels.tolist()
        channels = shape.shape[-1]
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
    """Batch after batch, of 64 images for MNIST and of 128, flipped, for CIFAR-10."""
    channels, size, _ = CASES[case].shape
    batch, flip = {"mnist": (64, False), "cifar10": (128, True)}[case]
    data = RandomImages(".", batch, channels, size, num_classes=10, flip=flip)
    loaded = batches(data, settings.device)
    if program == "torchvision":
        data.setup()
        pictures = DataLoader(Pictures(data.load(train=True), flip), batch, shuffle=True, drop_last=True)
        loaded = ((x.to(settings.device), y.to(settings.device)) for x, y in pictures)
    watch = Stopwatch(settings, budget=2.0)
    while watch.lap():
        next(loaded)
    return [watch.row(batch)]
