"""What the playground's command line means."""

import pytest
from hydra.core.hydra_config import HydraConfig

from diffusion_lightning.commands.playground import started
from diffusion_lightning.commands.task import at_hand
from diffusion_lightning.errors import UserError
from diffusion_lightning.zoo.cards import FOLDER
from tests.support.configs import composed
from tests.support.hub import local_hub


def typed(*options):
    """What the page shares, as the command line has it."""
    HydraConfig.instance().set_config(composed("playground", *options))
    return started(at_hand(composed("playground", *options, with_hydra=False)))


def test_a_model_is_called_what_was_typed(tmp_path):
    with local_hub(tmp_path / "cache") as hub:
        hub.add("owner/digits", {"model.safetensors": (FOLDER / "digits.safetensors").read_bytes()})
        assert typed("checkpoint=hf:owner/digits").places.models()[0] == "hf:owner/digits"
    assert typed("checkpoint=zoo:digits").places.start == "zoo:digits"
    assert typed("checkpoint=zoo:mnist", "checkpoint='zoo:digits'").places.start == "zoo:digits"


def test_a_folder_that_is_none_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"^folders: .* is no folder"):
        typed("checkpoint=zoo:digits", f"folders=[{tmp_path / 'nowhere'}]")
