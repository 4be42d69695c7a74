"""Train a small classifier as a feature extractor.

`python -m diffusion_lightning.commands.train_extractor dataset=mnist data_dir=data/`
"""

import logging
from pathlib import Path

from omegaconf import DictConfig

from diffusion_lightning.commands.task import make_folder, run_command
from diffusion_lightning.errors import UserError

log = logging.getLogger("train_extractor")


def train(cfg: DictConfig) -> Path:
    """Train as configured, write the weights, and log their accuracy and SHA-256."""
    from lightning.pytorch import Trainer, seed_everything
    from safetensors.torch import save_file

    from diffusion_lightning.config.build import build_data
    from diffusion_lightning.config.instantiate import instantiate
    from diffusion_lightning.hashing import file_sha256
    from diffusion_lightning.training.classifier import ClassifierTraining

    file = Path(cfg.out)
    if file.is_file() and not cfg.overwrite:
        raise UserError(f"{file} exists: add overwrite=true, or choose another out=.")
    if file.is_dir():
        raise UserError(f"out={file} is a folder; give a file, such as out={file}/mine.safetensors.")
    make_folder(file.parent)
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
