"""The launchers and sweepers that the extra `sweeps` adds to Hydra."""

from typing import NoReturn

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins
from omegaconf import OmegaConf

PLUGINS = {"launcher": ("joblib", "submitit_local", "submitit_slurm"), "sweeper": ("optuna",)}


def rename_plugins() -> None:
    """Call the plugin of a name `<name>_plugin`, for our YAML of the very name to extend.

    Where it is not installed, something of that name says so when the sweep starts.
    """
    Plugins.instance()  # imports what is installed
    store = ConfigStore.instance()
    for group, names in PLUGINS.items():
        for name in names:
            # Hydra takes a YAML beside a plugin of the same name for a relic of Hydra 1.0, and may refuse it.
            found = store.repo["hydra"][group].pop(f"{name}.yaml", None)
            node = found.node if found else {"_target_": "${not_installed:}"}
            store.store(f"{name}_plugin", node, group=f"hydra/{group}")


def _not_installed() -> NoReturn:
    # OmegaConf would wrap any other exception, and Hydra print a traceback
    raise SystemExit('error: this launcher or sweeper is not installed; pip install -e ".[sweeps]".')


OmegaConf.register_new_resolver("not_installed", _not_installed, replace=True)
