"""Configs as the command lines compose them."""

from hydra import compose, initialize_config_dir

import diffusion_lightning.commands.task  # noqa: F401  (registers the resolvers)
from tests.support.command import ROOT

CONF = ROOT / "conf"


def names(group):
    return [path.stem for path in sorted((CONF / group).glob("*.yaml"))]


def composed(name, *overrides):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(name, list(overrides), return_hydra_config=True)
