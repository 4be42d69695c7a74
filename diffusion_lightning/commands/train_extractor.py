"""Train a small classifier as a feature extractor.

`python -m diffusion_lightning.commands.train_extractor dataset=mnist data_dir=data/`
"""

import logging
import sys
from pathlib import Path

from omegaconf import DictConfig

from diffusion_lightning.commands.folders import make_folder
from diffusion_lightning.commands.noise import quieten
from diffusion_lightning.commands.task import run_command
from diffusion_lightning.errors import UserError
from diffusion_lightning.progress import watched

log = logging.getLogger("train_extractor")


def train(cfg: DictConfig) -> Path:
    """Train as configured, write the weights and log their accuracy and SHA-256.

    The accuracy is that of the file, on the test split, by which nothing is chosen.
    """
    import torch
    from lightning.pytorch import Trainer, seed_everything
    from safetensors.torch import save_file

    from diffusion_lightning.config.build import build_data, frozen
    from diffusion_lightning.config.instantiate import instantiate
    from diffusion_lightning.hashing import file_sha256
    from diffusion_lightning.samples import is_image
    from diffusion_lightning.speed import device_type
    from diffusion_lightning.training.classifier import ClassifierTraining, accuracy, stored
    from diffusion_lightning.training.data_module import DataModule

    file = Path(cfg.out)
    if file.is_file() and not cfg.overwrite:
        raise UserError(f"{file} exists: add overwrite=true, or choose another out=.")
    if file.is_dir():
        raise UserError(f"out={file} is a folder; give a file, such as out={file}/mine.safetensors.")
    make_folder(file.parent)
    quieten()
    seed_everything(cfg.seed, workers=True, verbose=False)
    data, cfg = build_data(cfg)
    if not is_image(data.shape):
        raise UserError("a classifier is trained on images; points are their own features.")
    data.setup()
    classifier = instantiate(cfg.extractor, weights=None)
    if hasattr(classifier, "whiten"):
        classifier.whiten(data.train_images[torch.arange(0, len(data.train_images), 10)][0])
    speed = instantiate(cfg.speed).chosen(device_type(cfg.accelerator), 0, training=True)
    speed.prepare_process()
    speed.prepare(classifier)
    module = ClassifierTraining(
        classifier, instantiate(cfg.optimizer), cfg.shift, cfg.cutout, cfg.label_smoothing
    )
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
    trainer.fit(module, DataModule(data))
    weights = {name: stored(value, cfg.half) for name, value in classifier.state_dict().items()}
    save_file(weights, file)
    classifier.load_state_dict(weights)
    percent = 100 * accuracy(frozen(classifier), data.test_images)
    found = "%s: %.2f %% of the test images are classified correctly, sha256: %s"
    log.info(found, file, percent, file_sha256(file))
    return file


def main() -> None:
    """The command line."""
    run_command(train, "train_extractor")


if __name__ == "__main__":
    main()
