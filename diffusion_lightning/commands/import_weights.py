"""`diffusion-import`: published weights as a checkpoint, `source=google/ddpm-cifar10-32 out=ddpm.ckpt`."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.folders import make_folder
from diffusion_lightning.commands.task import run_command
from diffusion_lightning.commands.unread import refuse_typed
from diffusion_lightning.errors import UserError

if TYPE_CHECKING:
    from diffusion_lightning.exchange.origin import Asked, Imported

log = logging.getLogger("import")


def import_weights(cfg: DictConfig) -> Path:
    """Write the checkpoint as configured and return its path."""
    from diffusion_lightning.checkpoints.format import LAST
    from diffusion_lightning.exchange.checkpoint import checkpoint_of, write
    from diffusion_lightning.exchange.hub_source import local

    if not cfg.source:
        raise UserError("which weights? Give source=<folder, file, or name on the hub>.")
    out = Path(str(cfg.out))
    if out.name == LAST:
        raise UserError(f"{LAST} is what a run resumes from, and no run wrote this; choose another out=.")
    if out.is_dir():
        raise UserError(f"out={out} is a folder; give a file, such as out={out}/imported.ckpt.")
    if out.exists() and not cfg.overwrite:
        raise UserError(f"{out} exists: add overwrite=true, or choose another out=.")
    cfg, asked = _asked(cfg)
    imported = _imported(local(cfg.source, cfg.revision), asked)
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    checkpoint = checkpoint_of(imported, plain["dataset"], plain["extractor"])
    make_folder(out.parent)
    write(checkpoint, out)
    count = sum(tensor.numel() for tensor in imported.state.values())
    log.info("%s: %s parameters%s", out, f"{count:,}", f"; {imported.about}" if imported.about else "")
    return out


def _asked(cfg: DictConfig) -> "tuple[DictConfig, Asked]":
    """The config with what the data set knows, and what it says of the weights."""
    from diffusion_lightning.config.build import build_data
    from diffusion_lightning.exchange.origin import Asked

    num_classes = None
    if cfg.dataset:
        data, cfg = build_data(cfg)
        num_classes = data.num_classes
    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    return cfg, Asked(plain["image_size"], plain["num_heads"], plain["schedule"], num_classes)


def _imported(source: Path, asked: "Asked") -> "Imported":
    from diffusion_lightning.exchange.diffusers_import import read_folder
    from diffusion_lightning.exchange.state_dicts import read_state_dict

    if source.is_dir():
        refuse_typed(("image_size", "num_heads", "schedule"), "the folder says it itself")
        return read_folder(source, asked)
    return read_state_dict(source, asked)


def main() -> None:
    """The command line."""
    run_command(import_weights, "import_weights")


if __name__ == "__main__":
    main()
