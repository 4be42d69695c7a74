"""The site: every page and every public name has its place, and nothing comes from another machine."""

import os
import re
import subprocess
import sys

import pytest
import yaml

import diffusion_lightning as dl
from docs.draw_gallery import shown
from docs.draw_pictures import comparison
from docs.site import api, links
from tests.support.command import ROOT
from tests.support.pages import read

PUBLIC = {name for name in dl.__all__ if not name.startswith("_")}
GALLERY = shown(read("docs/samplers.md"))


def nav():
    """The pages that mkdocs.yml names."""
    text = re.sub(r"^theme:.*?(?=^nav:)", "", read("mkdocs.yml"), flags=re.S | re.M)
    return re.findall(r"[\w./-]+\.(?:md|ipynb)\b", yaml.dump(yaml.safe_load(text)["nav"]))


def test_every_page_has_one_line_in_the_nav():
    pages = [links.in_site(page) for page in links.pages()]
    pages += [links.in_site(notebook) for notebook in ROOT.glob("docs/notebooks/*.ipynb")]
    assert sorted(nav()) == sorted(pages)


def test_a_notebook_of_a_repository_on_github_opens_in_colab():
    path = "notebooks/plane.ipynb"
    expected = f"https://colab.research.google.com/github/some/one/blob/main/docs/{path}"
    for repository in "https://github.com/some/one", "https://github.com/some/one.git":
        assert links.in_colab(repository, path) == expected
    assert links.in_colab("https://github.com/some/one", "plane.md") is None
    assert links.in_colab("https://gitlab.com/some/one", path) is None
    assert links.in_colab(None, path) is None


def test_every_public_name_is_documented_once():
    made = [name for page in api.pages().values() for name in api.SHOWN.findall(page)]
    assert sorted([*made, *api.shown_elsewhere()]) == sorted(PUBLIC)


def test_a_room_lists_the_names_that_stand_in_it():
    page = api.pages()["api/networks.md"]
    assert page.startswith("# networks\n") and api.SHOWN.findall(page) == ["MLP", "UNet"]
    assert "[`UNet`][diffusion_lightning.UNet]" in api.pages()["api/index.md"]


@pytest.mark.parametrize(
    ("page", "link", "moved"),
    [
        ("docs/sampling.md", "../results/invert.png", "results/invert.png"),
        ("docs/architecture.md", "../CONTRIBUTING.md", "CONTRIBUTING.md"),
        ("README.md", "docs/zoo.md#digits", "zoo.md#digits"),
        ("results/README.md", "../docs/sampling.md", "../sampling.md"),
        ("docs/sampling.md", "zoo.md", "zoo.md"),
        ("docs/sampling.md", "https://a.org/docs/zoo.md", "https://a.org/docs/zoo.md"),
        ("docs/sampling.md", "absent.md", "absent.md"),
        ("docs/sampling.md", "../conf/sampler/grid", "options/sampler_grid.md"),
        ("docs/sampling.md", "../conf/sampler/ddim.yaml", "options/sampler.md#samplerddim"),
        ("docs/sampling.md", "../conf/sample.yaml", "options/commands.md#sample"),
        (
            "README.md",
            "diffusion_lightning/diffusion/clamp.py#Static",
            "api/diffusion.md#diffusion_lightning.Static",
        ),
    ],
)
def test_a_link_of_the_repository_becomes_one_of_the_site(page, link, moved):
    assert links.moved(f"[text]({link})", ROOT / page) == f"[text]({moved})"


def test_every_picture_stands_beside_a_command():
    """In its section, or in the tables of results/README.md."""
    results = read("results/README.md")
    for page in links.pages():
        for section in re.split(r"^#+ ", page.read_text(encoding="utf-8"), flags=re.M):
            pictures = re.findall(r"!\[[^\]]*\]\((?:[\w./-]*/)?([\w-]+\.(?:png|webp))\)", section)
            alone = [name for name in pictures if "python " not in section and f"`{name}`" not in results]
            assert alone == [], page


def test_every_sampler_of_the_gallery_has_its_picture():
    samplers = set(re.findall(r"^::: diffusion_lightning\.(\w+)", read("docs/samplers.md"), re.M))
    assert len(GALLERY) == len(samplers) and all(
        (ROOT / "docs" / picture.name).is_file() for picture in GALLERY
    )
    abstract = {"Sampler", "Corrector", "NoStep"}
    kinds = {name for name in PUBLIC - abstract if issubclass(kind(name), (dl.Sampler, dl.Corrector))}
    assert samplers == kinds


def kind(name):
    found = getattr(dl, name)
    return found if isinstance(found, type) else object


@pytest.mark.slow
@pytest.mark.parametrize("picture", GALLERY, ids=lambda picture: picture.name)
def test_a_picture_of_the_gallery_is_what_its_command_draws(picture, tmp_path):
    said, _ = comparison(ROOT / "docs" / picture.name, picture.draw(tmp_path / "out"))
    assert said in ("equal", "one level apart")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0 and "WARNING" not in done.stderr, done.stderr
    return folder


@pytest.mark.slow
def test_the_site_needs_no_other_machine(site):
    pages = list(site.rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        loaded = re.findall(
            r"<(?:script|img|link|iframe)\b[^>]*?\b(?:src|href)=[\"']?(https?:[^\"' >]+)",
            page.read_text("utf-8"),
        )
        assert loaded == [], page


@pytest.mark.slow
def test_every_public_name_and_option_is_in_the_site(site):
    names = {found for page in (site / "api").rglob("*.html") for found in anchors(page)}
    assert names | anchors(site / "samplers" / "index.html") >= {
        f"diffusion_lightning.{name}" for name in PUBLIC
    }
    assert "<code>sampler.eta</code>" in (site / "options" / "sampler" / "index.html").read_text("utf-8")


def anchors(page):
    return set(re.findall(r"id=\"?(diffusion_lightning\.\w+)", page.read_text("utf-8")))
