import os

import pytest

from diffusion_lightning.commands.run_names import job_name, job_of_processes, process_number
from diffusion_lightning.errors import UserError
from tests.support.runs import srun, torchrun


@pytest.fixture
def told(monkeypatch):
    """Sets the environment, and nothing of another launcher in it."""
    for name in list(os.environ):
        if name.startswith(("SLURM", "TORCHELASTIC")) or name.endswith(("RANK", "WORLD_SIZE")):
            monkeypatch.delenv(name)

    def tell(environment):
        for name, value in environment.items():
            monkeypatch.setenv(name, str(value))

    return tell


def test_alone_a_run_belongs_to_no_job(told):
    for environment in ({}, srun(0, 1), torchrun(0, 1)):
        told(environment)
        assert job_of_processes() is None
    assert process_number() == 0 and job_name("train") == "train"


@pytest.mark.parametrize(("launcher", "name"), [(torchrun, "test"), (srun, "4711")])
def test_together_all_name_it_by_their_job(told, launcher, name):
    for rank in range(2):
        told(launcher(rank, 2))
        assert job_of_processes() == name and process_number() == rank
    assert job_name("train") == "train_1"


def test_torchrun_within_a_job_of_slurm_counts(told):
    told(srun(0, 2) | torchrun(3, 4) | {"TORCHELASTIC_RUN_ID": "none"})
    assert process_number() == 3 and job_of_processes() == "4711"


def test_without_a_name_the_folder_must_be_given(told):
    told(torchrun(0, 2) | {"TORCHELASTIC_RUN_ID": "none"})
    with pytest.raises(UserError, match="give hydra"):
        job_of_processes()


@pytest.mark.parametrize("name", ["LOCAL_RANK", "NODE_RANK"])
def test_processes_that_lightning_starts_are_told_apart(told, name):
    told({name: 1})
    assert process_number() == 1
    told({name: 0})
    assert process_number() == 0
