"""`make test-browser` runs these tests; `make test` does not collect them."""

import shutil
from functools import partial

import pytest

from tests.browser.served import chromium, opened, started
from tests.support.command import ROOT

RUN = ROOT / "tests" / "made_at_e9b7708" / "linear"


@pytest.fixture(scope="session")
def playground(tmp_path_factory):
    """A playground of zoo:mnist, with a run that may be read and a file that may not."""
    folder = tmp_path_factory.mktemp("playground")
    shutil.copytree(RUN, folder / "outputs" / "digits" / "one")
    (folder / "secret.png").write_bytes(b"secret")
    with started(folder) as playground:
        yield playground


@pytest.fixture(scope="session")
def browser():
    """What opens browsers."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield partial(chromium, playwright)


@pytest.fixture
def page(browser, playground, tmp_path):
    """The page, just opened; in the end it has asked nobody but the playground, and failed at nothing."""
    with browser(tmp_path / "profile") as context:
        page, asked, failed = context.new_page(), set(), []
        page.on("request", lambda request: asked.add("/".join(request.url.split("/")[:3])))
        page.on("pageerror", lambda error: failed.append(str(error)))
        opened(page, playground)
        yield page
        assert {url for url in asked if url.startswith(("http", "ws"))} == {playground.address}
        assert failed == []
