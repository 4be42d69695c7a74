"""Training of a small classifier, whose features compare images."""

from typing import Any

import torch
from lightning.pytorch import LightningModule
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torchmetrics.classification import MulticlassAccuracy

from diffusion_lightning.images import to_uint8


class ClassifierTraining(LightningModule):
    """Cross entropy on randomly shifted images, AdamW, one cycle of the learning rate.

    Args:
        classifier: uint8 (B, C, H, W) → features (B, D), logits (B, K).
        num_classes: K.
        shift: the largest shift, as a fraction of the side.
        learning_rate: the highest of the cycle.
    """

    def __init__(self, classifier: nn.Module, num_classes: int, shift: float, learning_rate: float) -> None:
        super().__init__()
        self.classifier = classifier
        self.shift = shift
        self.learning_rate = learning_rate
        self.accuracy = MulticlassAccuracy(num_classes, average="micro")

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch."""
        x, y = batch
        _, logits = self.classifier(shifted(to_uint8(x), self.shift))
        return cross_entropy(logits, y, label_smoothing=0.05)

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Accuracy on the test split, which selects nothing."""
        x, y = batch
        self.accuracy(self.classifier(to_uint8(x))[1], y)
        self.log("test_accuracy", self.accuracy, prog_bar=True)

    def configure_optimizers(self) -> Any:
        """AdamW with one cycle of the learning rate (OneCycleLR)."""
        optimizer = torch.optim.AdamW(self.classifier.parameters(), weight_decay=0.01)
        steps = int(self.trainer.estimated_stepping_batches)
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, steps)
        return [optimizer], [{"scheduler": cycle, "interval": "step"}]


def shifted(pixels: Tensor, shift: float) -> Tensor:
    """uint8 images (B, C, H, W), each shifted by up to this fraction of its side, filled up with black."""
    size = pixels.shape[-1]
    most = round(shift * size)
    padded = pad(pixels, (most,) * 4)
    corners = torch.randint(0, 2 * most + 1, (len(pixels), 2)).tolist()
    return torch.stack([x[:, i : i + size, j : j + size] for x, (i, j) in zip(padded, corners, strict=True)])
