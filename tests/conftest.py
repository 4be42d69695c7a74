import pytest
from filelock import FileLock
from hydra.core.hydra_config import HydraConfig

from tests.support.shapes import CALLS, check_shapes_in

# Before anything imports the maths
check_shapes_in("diffusion_lightning.diffusion")

from tests.support import hydra_once  # noqa: E402
from tests.support.in_process import succeed_here  # noqa: E402

hydra_once.work_once()


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """A cache of weights and statistics of the tests' own."""
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("DIFFUSION_LIGHTNING_CACHE", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def no_command_line():
    """No test sees the options that another one's command line named."""
    HydraConfig.instance().cfg = None


@pytest.fixture(scope="session")
def trained_digits(tmp_path_factory, worker_id):
    """The run of a small guided model of the digits that has learned something; all workers share it."""
    own = tmp_path_factory.getbasetemp()
    folder = own if worker_id == "master" else own.parent
    options = ["experiment=digits_cfg", "network.width=16", "trainer.max_epochs=5", "optimizer.lr=8e-3"]
    options += ["callbacks.sample_grid=null", "hydra.run.dir=trained_digits"]
    with FileLock(folder / "trained_digits.lock"):
        if not (folder / "trained_digits").exists():
            succeed_here("train.py", *options, cwd=folder)
    return folder / "trained_digits"


@pytest.fixture(autouse=True)
def shapes_are_checked():
    """At the first calls of each function in each test."""
    CALLS.clear()
