"""The launchers and sweepers that the extra `sweeps` adds to Hydra."""

from hydra.core.config_store import ConfigStore
from hydra.core.plugins import Plugins

PLUGINS = {"launcher": ("joblib", "submitit_local", "submitit_slurm"), "sweeper": ("optuna",)}


def rename_plugins() -> None:
    """Rename each plugin `<name>` to `<name>_plugin`, which our YAML file called `<name>` extends.

    A plugin that is not installed becomes a node which says so when the sweep starts.
    """
    Plugins.instance()  # imports those that are installed
    store = ConfigStore.instance()
    for group, names in PLUGINS.items():
        for name in names:
            # Hydra takes a YAML file with the name of a plugin for a relic of Hydra 1.0, and may refuse it.
            found = store.repo["hydra"][group].pop(f"{name}.yaml", None)
            if found or f"{name}_plugin.yaml" not in store.repo["hydra"][group]:
                node = found.node if found else {"_target_": "${not_installed:}"}
                store.store(f"{name}_plugin", node, group=f"hydra/{group}")
