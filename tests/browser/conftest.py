"""A playground in a process of its own, and headless Chromium that looks at it.

`make test-browser` runs these tests; `make test` does not collect them.
"""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from tests.support.command import ROOT

RUN = ROOT / "tests" / "made_at_e9b7708" / "linear"

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
"""Chromium as root, and silent."""

WAIT = 120_000
"""Milliseconds, as other work may take the cores."""


@pytest.fixture(scope="session")
def playground(tmp_path_factory):
    """The address of a playground of zoo:digits, and the seconds from its command to that."""
    folder = tmp_path_factory.mktemp("playground")
    shutil.copytree(RUN, folder / "outputs" / "digits" / "one")
    (folder / "secret.png").write_bytes(b"secret")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable,
        "-m",
        "diffusion_lightning.playground",
        "checkpoint=zoo:digits",
        f"port={port}",
    ]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GRADIO_TEMP_DIR": str(folder / "uploads")}
    with (folder / "log.txt").open("w") as log:
        start = time.monotonic()
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=log, stderr=log)
    try:
        while "open it in a browser" not in (folder / "log.txt").read_text():
            assert process.poll() is None and time.monotonic() - start < 120, (folder / "log.txt").read_text()
            time.sleep(0.1)
        yield Started(f"http://127.0.0.1:{port}", start, folder)
    finally:
        process.terminate()
        process.wait(30)
    assert "Traceback" not in (folder / "log.txt").read_text()


class Started:
    """A playground: its address, when its command was typed, and the folder that it runs in."""

    def __init__(self, address, time, folder):
        self.address, self.time, self.folder = address, time, folder


@pytest.fixture(scope="session")
def browser():
    """What opens browsers, each with a profile of its own."""
    from playwright.sync_api import sync_playwright

    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    assert executable, "make test-browser needs Chromium: apt-get install chromium"
    with sync_playwright() as playwright:

        @contextmanager
        def opened(profile, width=1280, height=800):
            context = playwright.chromium.launch_persistent_context(
                str(profile),
                executable_path=executable,
                headless=True,
                args=list(ARGUMENTS),
                viewport={"width": width, "height": height},
                permissions=["clipboard-read", "clipboard-write"],
            )
            context.set_default_timeout(WAIT)
            try:
                yield context
            finally:
                context.close()

        yield opened


@pytest.fixture
def context(browser, tmp_path):
    with browser(tmp_path / "profile") as context:
        yield context


@pytest.fixture
def page(context, playground):
    """The page, just opened; in the end it has asked nobody but the playground, and failed at nothing."""
    page, asked, failed = context.new_page(), set(), []
    page.on("request", lambda request: asked.add("/".join(request.url.split("/")[:3])))
    page.on("pageerror", lambda error: failed.append(str(error)))
    opened(page, playground)
    yield page
    assert {url for url in asked if url.startswith(("http", "ws"))} == {playground.address}
    assert failed == []


def opened(page, playground):
    page.goto(playground.address)
    page.wait_for_selector("#draw-go")
    page.wait_for_load_state("networkidle")
