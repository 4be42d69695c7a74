"""`diffusion-playground`: watch a model draw, in a browser, `diffusion-playground checkpoint=zoo:digits`."""

import logging
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from diffusion_lightning.commands.messages import user_message
from diffusion_lightning.commands.task import check_checkpoint, run_command
from diffusion_lightning.compat import needs
from diffusion_lightning.errors import UserError, check_at_least

if TYPE_CHECKING:
    from diffusion_lightning.page.playing import Playground

log = logging.getLogger("playground")

SHARED = (
    "share=true: whoever is told this address draws on this machine, and sees the runs below %s; it leads "
    "through Gradio's servers, and ends after a week at the latest"
)


def playground(cfg: DictConfig) -> None:
    """Show the page until Ctrl-C."""
    check_checkpoint(cfg)
    check_at_least("walks", cfg.walks, 1, 64)
    if cfg.port is not None:
        check_at_least("port", cfg.port, 1, 65535)
    shared = started(cfg)
    needs("gradio", "playground")  # which takes seconds, so that bad input is refused before
    from diffusion_lightning.page.app import served

    with served(shared, cfg.port, cfg.share) as address:
        if cfg.share:
            log.warning(SHARED, ", ".join(cfg.folders))
        log.info("%s: open it in a browser; Ctrl-C ends the playground", address)
        threading.Event().wait()


def started(cfg: DictConfig) -> "Playground":
    """What the page shares, with its first model loaded.

    Raises:
        UserError: if the model cannot be read, or a folder that was named is none.
    """
    from diffusion_lightning.page.places import Models, Places
    from diffusion_lightning.page.playing import Playground

    plain: Any = OmegaConf.to_container(cfg, resolve=True)
    default = {"weights": "ema", "device": "auto", "trust": []}
    loading = {name: plain[name] for name in default if plain[name] != default[name]}
    if absent := [folder for folder in cfg.folders if folder != "outputs" and not Path(folder).is_dir()]:
        raise UserError(f"folders: {absent[0]} is no folder; name one that holds runs.")
    places = Places(_typed(cfg), tuple(map(Path, cfg.folders)))
    models = Models(places, loading)
    models(places.start)
    return Playground(places, models, cfg.walks, user_message)


def _typed(cfg: DictConfig) -> str:
    """The checkpoint as it was typed, such as `hf:owner/name`; the config has the path that it means."""
    overrides = OverridesParser.create().parse_overrides(HydraConfig.get().overrides.task)
    typed = [str(override.value()) for override in overrides if override.key_or_group == "checkpoint"]
    return typed[-1] if typed else str(cfg.checkpoint)


def main() -> None:
    """The command line."""
    run_command(playground, "playground")


if __name__ == "__main__":
    main()
