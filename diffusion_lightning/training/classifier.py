"""Training of a small classifier, whose features compare images."""

from collections.abc import Callable
from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.evaluation.extractors.extract import extract
from diffusion_lightning.images import to_uint8

GREY = 127
"""The level of what is hidden."""

EVALUATED_AT_ONCE = 1000
"""Images."""


class ClassifierTraining(LightningModule):
    """Cross entropy on images that are randomly shifted and in part hidden, one cycle of the learning rate.

    Args:
        classifier: uint8 (B, C, H, W) → features (B, D), logits (B, K).
        optimizer: makes one of parameters; its learning rate is the peak of the cycle.
        shift: the largest shift, as a fraction of the side.
        cutout: the side of the hidden square, as a fraction of the side; 0 for none.
        label_smoothing: the probability spread evenly over all classes.
    """

    def __init__(
        self,
        classifier: nn.Module,
        optimizer: Callable[..., Optimizer],
        shift: float,
        cutout: float,
        label_smoothing: float,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.optimizer = optimizer
        self.shift = shift
        self.cutout = cutout
        self.label_smoothing = label_smoothing

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch."""
        x, y = batch
        pixels = shifted(to_uint8(x), self.shift)
        _, logits = self.classifier(cut_out(pixels, self.cutout) if self.cutout else pixels)
        loss = cross_entropy(logits, y, label_smoothing=self.label_smoothing)
        self.log("loss", loss, prog_bar=True)
        return loss

    def configure_optimizers(self) -> Any:
        """The optimizer, its learning rate (and momentum) under one cycle."""
        optimizer = self.optimizer([p for p in self.classifier.parameters() if p.requires_grad])
        steps = int(self.trainer.estimated_stepping_batches)
        cycle = OneCycleLR(optimizer, max_lr=optimizer.param_groups[0]["lr"], total_steps=steps)
        return [optimizer], [{"scheduler": cycle, "interval": "step"}]


def shifted(pixels: Tensor, shift: float) -> Tensor:
    """uint8 images (B, C, H, W), each shifted by up to this fraction of its width, filled up with black."""
    height, width = pixels.shape[-2:]
    most = round(shift * width)
    padded = pad(pixels, (most,) * 4)
    corners = torch.randint(0, 2 * most + 1, (len(pixels), 2)).tolist()
    placed = zip(padded, corners, strict=True)
    return torch.stack([x[:, i : i + height, j : j + width] for x, (i, j) in placed])


def cut_out(pixels: Tensor, cutout: float) -> Tensor:
    """uint8 images (B, C, H, W), each with a grey square of this fraction of its height at a random place.

    Parts of the square may lie outside.

    Source: DeVries & Taylor 2017 (Improved Regularization of Convolutional Neural Networks with Cutout,
    arXiv 1708.04552).
    """
    height, width = pixels.shape[-2:]
    side = round(cutout * height)

    def hidden(length: int) -> Tensor:
        offsets = torch.arange(length) - torch.randint(0, length, (len(pixels), 1))
        return (offsets >= -(side // 2)) & (offsets < side - side // 2)

    hole = hidden(height)[:, None, :, None] & hidden(width)[:, None, None, :]
    return pixels.masked_fill(hole.to(pixels.device), GREY)


def accuracy(classifier: nn.Module, images: ImageSet) -> float:
    """The fraction of the images that are classified right, by the logits that evaluation computes."""
    right = 0
    for indices in torch.arange(len(images)).split(EVALUATED_AT_ONCE):
        pixels, labels = images[indices]
        right += int((extract(classifier, pixels)[1].argmax(1) == labels).sum())
    return right / len(images)


def stored(value: Tensor, half: bool) -> Tensor:
    """A tensor of the weights as the file has it."""
    value = value.cpu().contiguous()
    return value.half() if half and value.is_floating_point() else value
