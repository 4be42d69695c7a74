"""What Hydra does again for every config, though nothing in it changes, is done once in a process."""

import copy
import functools
import pickle
from unittest.mock import patch

import omegaconf
from hydra._internal import defaults_list
from hydra._internal.config_repository import ConfigRepository

from diffusion_lightning.config.paths import conf_folder


def work_once():
    """Patches Hydra for the rest of the process; a config takes little more than half of the time."""
    patch.object(ConfigRepository, "load_config", _kept(ConfigRepository.load_config)).start()
    # Hydra copies it before it may set other sources, which copies nothing but the list
    patch.object(ConfigRepository, "__deepcopy__", lambda self, memo: copy.copy(self), create=True).start()
    name = "_create_interpolation_map"
    patch.object(defaults_list, name, _if_interpolated(getattr(defaults_list, name))).start()
    parse = functools.cache(omegaconf.base.parse)
    for module in omegaconf.base, omegaconf._utils:
        patch.object(module, "parse", parse).start()


def _kept(load):
    """As a pickle, of which every caller gets its own copy. Folders of a test's own may change."""
    known, ours = {}, str(conf_folder())

    def load_config(repository, config_path):
        sources = tuple((source.scheme(), source.path, source.provider) for source in repository.sources)
        if any(scheme == "file" and path != ours for scheme, path, _ in sources):
            return load(repository, config_path)
        if (sources, config_path) not in known:
            known[sources, config_path] = pickle.dumps(load(repository, config_path))
        return pickle.loads(known[sources, config_path])

    return load_config


def _if_interpolated(create):
    """The choices so far, as a config; only an option that interpolates another one's name asks for it."""

    def create_interpolation_map(overrides, defaults, self_added):
        asked = any(default.is_interpolation() for default in defaults)
        return create(overrides, defaults, self_added) if asked else None

    return create_interpolation_map
