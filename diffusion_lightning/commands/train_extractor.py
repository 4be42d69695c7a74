"""Train a small classifier as a feature extractor.

`python -m diffusion_lightning.commands.train_extractor dataset=mnist data_dir=data/`
"""

import logging
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torchmetrics.classification import MulticlassAccuracy

from diffusion_lightning.commands.task import run_command
from diffusion_lightning.config.build import build_data
from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.errors import UserError
from diffusion_lightning.hashing import file_sha256
from diffusion_lightning.images import to_uint8

log = logging.getLogger("train_extractor")


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
    """uint8 images (B, C, H, W), each shifted by up to this fraction of its width, filled up with black."""
    height, width = pixels.shape[-2:]
    most = round(shift * width)
    padded = pad(pixels, (most,) * 4)
    corners = torch.randint(0, 2 * most + 1, (len(pixels), 2)).tolist()
    placed = zip(padded, corners, strict=True)
    return torch.stack([x[:, i : i + height, j : j + width] for x, (i, j) in placed])


def train(cfg: DictConfig) -> Path:
    """Train as configured, write the weights, and log their accuracy and SHA-256."""
    from safetensors.torch import save_file

    file = Path(cfg.out)
    if file.exists() and not cfg.overwrite:
        raise UserError(f"{file} exists: add overwrite=true, or choose another out=.")
    seed_everything(cfg.seed, workers=True, verbose=False)
    data, cfg = build_data(cfg)
    classifier = instantiate(cfg.extractor, weights=None)
    module = ClassifierTraining(classifier, cfg.dataset.num_classes, cfg.shift, cfg.learning_rate)
    trainer = Trainer(
        max_epochs=cfg.epochs,
        accelerator=cfg.accelerator,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
    )
    trainer.fit(module, data)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(classifier.state_dict(), file)
    accuracy = float(trainer.callback_metrics["test_accuracy"])
    log.info(
        "%s: %.2f %% of the test images are classified correctly, sha256: %s",
        file,
        100 * accuracy,
        file_sha256(file),
    )
    return file


def main() -> None:
    """The command line."""
    run_command(train, "train_extractor")


if __name__ == "__main__":
    main()
