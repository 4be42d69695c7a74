"""Hydra reads the files of conf/ once in a process, not again for every config that a test composes."""

import pickle
from unittest.mock import patch

from hydra._internal.sources_registry import SourcesRegistry
from hydra.core.plugins import Plugins

from diffusion_lightning.config.paths import conf_folder


def read_once():
    """Patches Hydra for the rest of the process."""
    Plugins.instance()  # which fills the registry
    for scheme in "file", "pkg":
        source = SourcesRegistry.instance().resolve(scheme)
        patch.object(source, "load_config", _kept(source.load_config)).start()


def _kept(load):
    """As a pickle, of which every caller gets its own copy. Folders of a test's own may change."""
    known = {}

    def load_config(source, config_path):
        if source.scheme() == "file" and source.path != str(conf_folder()):
            return load(source, config_path)
        file = source.path, source.provider, config_path
        if file not in known:
            known[file] = pickle.dumps(load(source, config_path))
        return pickle.loads(known[file])

    return load_config
