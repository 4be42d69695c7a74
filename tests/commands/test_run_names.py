import os
import re

import pytest

from diffusion_lightning.commands.run_names import config_folder, job_name, process_number, run_name
from diffusion_lightning.errors import UserError
from tests.support.runs import srun, torchrun


@pytest.fixture
def told(monkeypatch):
    """Sets the environment, and nothing of another launcher in it."""
    for name in list(os.environ):
        if name.startswith(("SLURM", "TORCHELASTIC")) or name in ("RANK", "WORLD_SIZE"):
            monkeypatch.delenv(name)

    def tell(environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))

    return tell


def test_alone_a_run_is_named_by_its_time(told):
    for environment in ({}, srun(0, 1), torchrun(0, 1)):
        told(environment)
        assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d", run_name())
    assert process_number() == 0 and job_name("train") == "train"


@pytest.mark.parametrize(("launcher", "name"), [(torchrun, "test"), (srun, "4711")])
def test_together_all_name_it_by_their_job(told, launcher, name):
    for rank in range(2):
        told(launcher(rank, 2))
        assert run_name() == name and process_number() == rank
    assert job_name("train") == "train_1" and config_folder("nowhere", False) is None


def test_torchrun_within_a_job_of_slurm_counts(told):
    told(srun(0, 2) | torchrun(3, 4) | {"TORCHELASTIC_RUN_ID": "none"})
    assert process_number() == 3 and run_name() == "4711"


def test_without_a_name_the_folder_must_be_given(told):
    told(torchrun(0, 2) | {"TORCHELASTIC_RUN_ID": "none"})
    with pytest.raises(UserError, match="give hydra"):
        run_name()


def test_the_config_of_a_run_is_never_written_over(told, tmp_path):
    assert config_folder(str(tmp_path), False) == config_folder(str(tmp_path), True) == ".hydra"
    (tmp_path / ".hydra").mkdir()
    assert config_folder(str(tmp_path), False) is None
    assert config_folder(str(tmp_path), True).startswith(".hydra/resumed/")
