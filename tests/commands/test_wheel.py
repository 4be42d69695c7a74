"""A wheel, installed where there is no clone: the commands, conf/ and the weights come from it alone."""

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.support.command import ROOT

pytestmark = pytest.mark.slow

FIVE_LINES = """
import diffusion_lightning as dl
model = dl.load("run")
images = model.sample(labels=range(10), sampler=dl.DDIM(steps=5), guidance=3.0, seed=0)
latent = model.invert(images, labels=range(10))
dl.save_grid(images, "grid.png")
assert images.shape == latent.shape == (10, 1, 8, 8)
assert -1 <= images.min() and images.max() <= 1
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """The folder of the commands of an environment with nothing but the wheel and its dependencies.

    The dependencies are those of this environment, which is told apart by a .pth file: an editable install
    of the project, which would hide what the wheel lacks, is not seen through it.
    """
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "venv", with_pip=False)
    paths = {"base": str(folder / "venv"), "platbase": str(folder / "venv")}
    packages = Path(sysconfig.get_path("purelib", vars=paths))
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib"))
    python = Path(sysconfig.get_path("scripts", vars=paths)) / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel]
    subprocess.run(install, check=True, capture_output=True)
    return python.parent


@pytest.fixture(scope="module")
def here(installed, tmp_path_factory):
    """A folder with a run that the installed command trained."""
    folder = tmp_path_factory.mktemp("no clone here")
    options = ["dataset=digits", "guidance=cfg", "trainer.max_epochs=1", "network.width=8", "sampler.steps=2"]
    succeed(installed / "diffusion-train", *options, "hydra.run.dir=run", cwd=folder)
    return folder


def succeed(command, *args, cwd):
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([command, *map(str, args)], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_package_is_the_wheels(installed, tmp_path):
    ask = """
import diffusion_lightning, importlib.metadata
from pathlib import Path
from diffusion_lightning.config.paths import conf_folder
package = Path(diffusion_lightning.__file__).parent
wanted = ["py.typed", "__init__.pyi", "conf/train.yaml", "evaluation/extractors/shipped/digits.safetensors"]
wanted += ["zoo/digits.safetensors", "zoo/digits.json", "runs/report.html.j2"]
assert all((package / name).is_file() for name in wanted)
assert importlib.metadata.version("diffusion-lightning") == diffusion_lightning.__version__
print(package, conf_folder(), sep="\\n")
"""
    package, conf = map(Path, succeed(installed / "python", "-c", ask, cwd=tmp_path).split())
    assert package.is_relative_to(installed.parent) and conf.is_relative_to(package)


def test_all_of_conf_is_in_it(installed, tmp_path):
    ask = "from diffusion_lightning.config.paths import conf_folder; print(conf_folder())"
    conf = Path(succeed(installed / "python", "-c", ask, cwd=tmp_path).strip())

    def contents(folder):
        return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.yaml")}

    assert contents(conf) == contents(ROOT / "conf")


def test_it_trains_and_draws(installed, here):
    options = ["num_images=4", "sampler.steps=2", "out=drawn"]
    succeed(installed / "diffusion-sample", "checkpoint=run", *options, cwd=here)
    assert {path.name for path in (here / "drawn").iterdir()} == {"grid.png", "samples.npz", "sampling.json"}


def test_it_measures(installed, here):
    options = ["num_images=20", "sampler.steps=2", "metrics=[fid,classes]", "out=measured"]
    succeed(installed / "diffusion-evaluate", "checkpoint=run", *options, cwd=here)
    assert (here / "measured" / "evaluation.json").is_file()


def test_a_config_folder_of_ones_own_is_added(installed, here):
    (here / "mine" / "sampler").mkdir(parents=True)
    text = "defaults: [ddim]\nsteps: 3\n"
    (here / "mine" / "sampler" / "short.yaml").write_text(text)
    options = ["--config-dir", "mine", "checkpoint=run", "sampler=short", "num_images=1", "out=short"]
    succeed(installed / "diffusion-sample", *options, cwd=here)
    assert '"nfe": 3' in (here / "short" / "sampling.json").read_text()


def test_the_five_lines_of_python_draw(installed, here):
    succeed(installed / "python", "-c", FIVE_LINES, cwd=here)
    assert (here / "grid.png").stat().st_size > 0
