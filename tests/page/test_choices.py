"""The page's choices are the YAML files, and each becomes the object that `sample.py` builds."""

import shutil

import pytest
from hydra import initialize_config_dir

import diffusion_lightning as dl
from diffusion_lightning.errors import UserError
from diffusion_lightning.page.choices import options, recommended, sampling_of
from diffusion_lightning.page.pasted import pasted
from diffusion_lightning.page.settings import Settings
from tests.support.configs import CONF, names


def test_every_option_of_a_group_is_a_choice_and_its_text_makes_the_same_object(hydra, digits):
    for group in "sampler", "sampler/grid", "clamp":
        assert options(group) == names(group)
        for name in names(group):
            settings = Settings(**{group.rpartition("/")[2]: name}, steps=7, scale=1.5)
            found = sampling_of(settings, digits)
            assert found.sampler.steps == 7 and found.guidance == digits.guidance
            for part in found.sampler, found.clamp:
                assert eval(pasted(part), {"dl": dl}) == part


def test_a_new_yaml_file_is_a_choice(tmp_path):
    shutil.copytree(CONF, tmp_path / "conf")
    (tmp_path / "conf" / "sampler" / "mine.yaml").write_text((CONF / "sampler" / "ddim.yaml").read_text())
    with initialize_config_dir(str(tmp_path / "conf"), version_base="1.3"):
        assert "mine" in options("sampler")


def test_a_sampler_recommends_its_grid_and_steps(hydra, digits):
    assert recommended("heun", digits) == ("karras", 18)
    assert recommended("ddpm", digits) == ("uniform", digits.denoiser.schedule.T)
    with pytest.raises(UserError, match="there is no sampler=nothing"):
        recommended("nothing", digits)
