import pytest
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

import diffusion_lightning as dl
from diffusion_lightning.commands.resolvers import register
from tests.support.configs import CONF


@pytest.fixture
def hydra():
    """Hydra as it is while a command runs."""
    register()
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(CONF), version_base="1.3"):
        yield


@pytest.fixture(scope="session")
def digits():
    return dl.load("zoo:digits")
