"""Train a small classifier as a feature extractor.

`python -m diffusion_lightning.commands.train_extractor dataset=mnist data_dir=data/`
"""

import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import torch
from lightning.pytorch import LightningModule, Trainer, seed_everything
from omegaconf import DictConfig
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, pad
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR

from diffusion_lightning.commands.noise import quieten
from diffusion_lightning.commands.task import run_command
from diffusion_lightning.config.build import build_data, frozen
from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.data.base import ImageData
from diffusion_lightning.data.batches import ImageSet
from diffusion_lightning.errors import UserError
from diffusion_lightning.evaluation.extractors.extract import extract
from diffusion_lightning.hashing import file_sha256
from diffusion_lightning.images import to_uint8
from diffusion_lightning.progress import watched
from diffusion_lightning.speed import device_type

log = logging.getLogger("train_extractor")

EVALUATED_AT_ONCE = 1000
"""Images."""


class ClassifierTraining(LightningModule):
    """Cross entropy on randomly shifted images, one cycle of the learning rate.

    Args:
        classifier: uint8 (B, C, H, W) → features (B, D), logits (B, K).
        optimizer: makes one of parameters; its learning rate is the peak of the cycle.
        shift: the largest shift, as a fraction of the side.
        label_smoothing: the probability spread evenly over all classes.
    """

    def __init__(
        self,
        classifier: nn.Module,
        optimizer: Callable[..., Optimizer],
        shift: float,
        label_smoothing: float,
    ) -> None:
        super().__init__()
        self.classifier = classifier
        self.optimizer = optimizer
        self.shift = shift
        self.label_smoothing = label_smoothing

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The loss of a batch."""
        x, y = batch
        _, logits = self.classifier(shifted(to_uint8(x), self.shift))
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
    """uint8 images (B, C, H, W), each shifted by up to this fraction of its side, filled up with black."""
    size = pixels.shape[-1]
    most = round(shift * size)
    padded = pad(pixels, (most,) * 4)
    corners = torch.randint(0, 2 * most + 1, (len(pixels), 2)).tolist()
    return torch.stack([x[:, i : i + size, j : j + size] for x, (i, j) in zip(padded, corners, strict=True)])


def accuracy(classifier: nn.Module, images: ImageSet) -> float:
    """The fraction of the images that are classified right, by the logits that evaluation computes."""
    right = 0
    for indices in torch.arange(len(images)).split(EVALUATED_AT_ONCE):
        pixels, labels = images[indices]
        right += int((extract(classifier, pixels)[1].argmax(1) == labels).sum())
    return right / len(images)


def train(cfg: DictConfig) -> Path:
    """Train as configured, write the weights and log their accuracy and SHA-256.

    The accuracy is that of the file, on the test split, by which nothing is chosen.
    """
    from safetensors.torch import save_file

    file = Path(cfg.out)
    if file.exists() and not cfg.overwrite:
        raise UserError(f"{file} exists: add overwrite=true, or choose another out=.")
    quieten()
    seed_everything(cfg.seed, workers=True, verbose=False)
    built, cfg = build_data(cfg)
    data = cast(ImageData, built)
    data.setup()
    classifier = instantiate(cfg.extractor, weights=None)
    if hasattr(classifier, "whiten"):
        classifier.whiten(data.train_images[torch.arange(0, len(data.train_images), 10)][0])
    speed = instantiate(cfg.speed).chosen(device_type(cfg.accelerator), 0, training=True)
    speed.prepare_process()
    speed.prepare(classifier)
    module = ClassifierTraining(classifier, instantiate(cfg.optimizer), cfg.shift, cfg.label_smoothing)
    trainer = Trainer(
        max_epochs=cfg.epochs,
        accelerator=cfg.accelerator,
        precision=speed.precision,
        limit_val_batches=0,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_model_summary=False,
        enable_progress_bar=watched(sys.stdout),
    )
    trainer.fit(module, data)
    weights = {name: stored(value, cfg.half) for name, value in classifier.state_dict().items()}
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(weights, file)
    classifier.load_state_dict(weights)
    percent = 100 * accuracy(frozen(classifier), data.test_images)
    found = "%s: %.2f %% of the test images are classified correctly, sha256: %s"
    log.info(found, file, percent, file_sha256(file))
    return file


def stored(value: Tensor, half: bool) -> Tensor:
    """A tensor of the weights as the file has it."""
    value = value.cpu().contiguous()
    return value.half() if half and value.is_floating_point() else value


def main() -> None:
    """The command line."""
    run_command(train, "train_extractor")


if __name__ == "__main__":
    main()
