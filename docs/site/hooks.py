"""MkDocs' hooks: the pages that are made from the code, and the files outside docs/ that pages link to."""

import logging

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from docs.site import api, links, options

log = logging.getLogger("mkdocs.options")  # a warning ends a strict build

MADE = {**options.pages(), **api.pages()}
"""Path of a page in the site → its Markdown."""


def on_config(config: MkDocsConfig) -> None:
    """In the nav a folder stands for the pages that are made in it."""
    config.nav = [_unfolded(entry) for entry in config.nav or []]


def _unfolded(entry: str | dict) -> str | dict:
    if isinstance(entry, dict):
        ((title, target),) = entry.items()
        if isinstance(target, str) and target.endswith("/"):
            return {title: [path for path in MADE if path.startswith(target)]}
    return entry


def on_files(files: Files, config: MkDocsConfig) -> None:
    """Add the made pages, and what pages link to outside docs/."""
    for path, text in MADE.items():
        files.append(File.generated(config, path, content=text))
    for option in options.every_option():
        if not option.meaning:
            log.warning(
                "%s has no meaning: neither its constructor nor a comment in conf/ says one", option.key
            )
    for file in sorted(links.linked_files()):
        if not files.get_file_from_path(path := links.in_site(file)):
            files.append(File.generated(config, path, abs_src_path=str(file)))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as they lead in the repository become links as they lead in the site."""
    path = page.file.src_uri
    return markdown if path in MADE else links.moved(markdown, links.in_repository(path))


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """A notebook begins with a link that opens it in Colab, if `repo_url` says where it lies."""
    address = links.in_colab(config.repo_url, page.file.src_uri)
    button = f'<p><a class="md-button" href="{address}">Open in Colab</a></p>\n' if address else ""
    return button + html
