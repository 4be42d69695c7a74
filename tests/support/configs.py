"""Configs as the command lines compose them."""

from hydra import compose, initialize_config_dir

from diffusion_lightning.commands.resolvers import register
from diffusion_lightning.config.paths import conf_folder

CONF = conf_folder()


def names(group):
    return [path.stem for path in sorted((CONF / group).glob("*.yaml"))]


OF_POINTS = {"plane", "plane_cfg", "plane_unconditional", "mlp", "identity", "trajectories"}
"""Options of groups that are for points of the plane, and so not for images."""


def of_images(group):
    return [name for name in names(group) if name not in OF_POINTS]


def composed(name, *overrides, with_hydra=True):
    """A command's config; without Hydra's own part it is what the command's function gets."""
    register()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose(name, list(overrides), return_hydra_config=with_hydra)
