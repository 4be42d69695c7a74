"""Links between pages, which lead from file to file of the repository, and in the site from page to page.

A page of `docs/` stands at the top of the site, and a file outside it, such as `results/clamp_study.png`, at
its own path. The README is the first page. What is in `conf/` is the page of the options, and what is in the
package the page of the API: `../conf/sampler` is `options/sampler.md`, and `…/linear.py#Linear` the class.
"""

import os
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
CONF = ROOT / "conf"
PACKAGE = ROOT / "diffusion_lightning"
LINK = re.compile(r"(?<=\]\()([^)\s#]+)((?:#[^)\s]*)?)(?=\))")


def pages() -> list[Path]:
    """The pages that a person wrote: those of `docs/`, the README, and whatever pages these link to."""
    return sorted(path for path in linked_files() | _own() if path.suffix == ".md")


def linked_files() -> set[Path]:
    """The README, and every file of the repository that a page links to, directly or through other pages."""
    found, to_read = set(), _own()
    while to_read:
        targets = {target for page in to_read for target in _targets(page)}
        to_read = {target for target in targets - found - _own() if target.suffix == ".md"}
        found |= targets
    return {ROOT / "README.md", *found}


def in_site(file: Path, fragment: str = "") -> str:
    """Where a file or folder of the repository stands in the site, with what is meant in it."""
    if file.is_relative_to(CONF):
        return _of_options(file.relative_to(CONF))
    if file.is_relative_to(PACKAGE):
        return _of_api(file.relative_to(PACKAGE), fragment.removeprefix("#"))
    return file.relative_to(DOCS if file.is_relative_to(DOCS) else ROOT).as_posix() + fragment


def _of_options(conf: Path) -> str:
    """`sampler` → `options/sampler.md`, and of files the place in the page."""
    if conf.suffix != ".yaml":
        return f"options/{conf.as_posix().replace('/', '_') if conf.parts else 'index'}.md"
    group = conf.parent.as_posix()
    if group == ".":
        return f"options/commands.md#{conf.stem}"
    return f"options/{group.replace('/', '_')}.md#{group.replace('/', '')}{conf.stem}"


def _of_api(module: Path, name: str) -> str:
    """`diffusion/clamp.py` → `api/diffusion.md`, and the class in it."""
    return f"api/{module.parts[0].removesuffix('.py')}.md" + (f"#{PACKAGE.name}.{name}" if name else "")


def in_repository(path: str) -> Path:
    """Where a page of the site stands in the repository."""
    return DOCS / path if (DOCS / path).exists() else ROOT / path


def moved(markdown: str, page: Path) -> str:
    """The page's text with each link as it leads from the page's place in the site."""

    def link(match: re.Match[str]) -> str:
        file = _target(page, match[1])
        if file is None:
            return match[0]
        return Path(os.path.relpath(in_site(file, match[2]), Path(in_site(page)).parent)).as_posix()

    return LINK.sub(link, markdown)


def _own() -> set[Path]:
    return {ROOT / "README.md", *DOCS.rglob("*.md")}


def _targets(page: Path) -> set[Path]:
    """The files that a page links to, without those that the site has pages of its own for."""
    found = (_target(page, match[1]) for match in LINK.finditer(page.read_text(encoding="utf-8")))
    made = CONF, PACKAGE
    return {file for file in found if file and not any(map(file.is_relative_to, made))}


def _target(page: Path, link: str) -> Path | None:
    """What a link of a page leads to; None if it leads out of the repository, to nothing, or to a folder."""
    file = Path(os.path.normpath(page.parent / link))
    inside = "://" not in link and file.is_relative_to(ROOT)
    return file if inside and (file.is_file() or (file.is_relative_to(CONF) and file.exists())) else None


def in_colab(repository: str | None, path: str) -> str | None:
    """The address at which Colab opens a notebook of a repository on GitHub; None of anything else."""
    hub = "https://github.com/"
    if repository is None or not repository.startswith(hub) or not path.endswith(".ipynb"):
        return None
    name = repository.removeprefix(hub).strip("/").removesuffix(".git")
    return f"https://colab.research.google.com/github/{name}/blob/main/docs/{path}"
