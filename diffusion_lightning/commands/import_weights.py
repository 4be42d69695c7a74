"""`diffusion-import`: published weights as a checkpoint, `source=google/ddpm-cifar10-32 out=ddpm.ckpt`."""

import logging
from pathlib import Path

from omegaconf import DictConfig

from diffusion_lightning.commands.task import run_command
from diffusion_lightning.errors import UserError

log = logging.getLogger("import")


def import_weights(cfg: DictConfig) -> Path:
    """Write the checkpoint as configured and return its path."""
    raise UserError("import_weights is not there yet.")


def main() -> None:
    """The command line."""
    run_command(import_weights, "import_weights")


if __name__ == "__main__":
    main()
