"""What the pages and the project's files say of each other is true."""

import re
import shlex

import pytest
import yaml

import diffusion_lightning as dl
from tests.support.command import ROOT
from tests.support.pages import read

try:
    import tomllib
except ModuleNotFoundError:  # Python 3.10
    import tomli as tomllib

PAGES = [
    str(path.relative_to(ROOT))
    for path in sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")])
]
PROJECT = tomllib.loads(read("pyproject.toml"))["project"]


def pins(file):
    return dict(line.split("==") for line in read(file).splitlines() if line and not line.startswith("#"))


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    folder = (ROOT / page).parent
    targets = [t.partition("#")[0] for t in re.findall(r"\]\(([^)\s]+)\)", read(page)) if "://" not in t]
    assert [target for target in targets if target and not (folder / target).exists()] == []


@pytest.mark.parametrize("page", PAGES)
def test_files_that_a_page_names_exist(page):
    roots = [ROOT, ROOT / "diffusion_lightning", ROOT / "diffusion_lightning" / "diffusion"]
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]*(?:\.py|\.yaml|/)?)`", read(page))
    named = [name for name in named if name.startswith(PLACES)]
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []


PLACES = ("conf/", "docs/", "tests/", "diffusion/", "networks/", "data/", "config/", "checkpoints/")
PLACES += ("sampling/", "evaluation/", "training/", "commands/")


def test_versions_agree():
    assert yaml.safe_load(read("CITATION.cff"))["version"] == dl.__version__
    assert f"({dl.__version__})" in read("CHANGELOG.md") or f"[{dl.__version__}]" in read("CHANGELOG.md")


def test_the_oldest_versions_are_the_lower_bounds():
    bounds = dict(
        re.findall(r"^(torch|torchvision|lightning)>=([\d.]+)", "\n".join(PROJECT["dependencies"]), re.M)
    )
    oldest = pins(".github/oldest.txt")
    assert {name: version.split(".")[:2] for name, version in oldest.items()} == {
        name: version.split(".") for name, version in bounds.items()
    }


def test_the_tools_of_a_commit_are_those_of_the_tests():
    hooks = yaml.safe_load(read(".pre-commit-config.yaml"))["repos"]
    (ruff,) = (repo["rev"] for repo in hooks if "ruff" in repo["repo"])
    assert ruff == f"v{pins('constraints.txt')['ruff']}"


def test_ci_tries_every_python_that_is_promised():
    matrix = yaml.safe_load(read(".github/workflows/ci.yml"))["jobs"]["test"]["strategy"]["matrix"]
    promised = [c.rpartition(" ")[2] for c in PROJECT["classifiers"] if "Python :: 3." in c]
    assert matrix["python"] == promised and f">={promised[0]}" in PROJECT["requires-python"]


def test_every_dependency_is_pinned():
    wanted = [
        *PROJECT["dependencies"],
        *(r for extra in PROJECT["optional-dependencies"].values() for r in extra),
    ]
    names = {re.match(r"[\w-]+", requirement)[0].lower() for requirement in wanted} - {"diffusion-lightning"}
    pinned = {name.lower().replace("_", "-") for name in pins("constraints.txt")}
    assert names - pinned <= NOT_INSTALLED


NOT_INSTALLED = {"denoising-diffusion-pytorch"}
"""What only the benchmarks need."""


def test_commands_of_the_pages_name_scripts_that_exist():
    for page in PAGES:
        for block in re.findall(r"```sh\n(.*?)```", read(page), re.S):
            for line in block.replace("\\\n", " ").splitlines():
                program = [word for word in shlex.split(line, comments=True) if "=" not in word][:2]
                if program and program[0] == "python" and program[1].endswith(".py"):
                    assert (ROOT / program[1]).exists(), line
