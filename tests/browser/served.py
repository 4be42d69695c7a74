"""A playground in a process of its own, and headless Chromium that looks at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

from tests.support.command import ROOT

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
"""Chromium as root, and silent."""

WAIT = 180_000
"""Milliseconds, as other work may take the cores."""


class Started:
    """A playground: its address, when its command was typed, and the folder that it runs in."""

    def __init__(self, address, time, folder):
        self.address, self.time, self.folder = address, time, folder


@contextmanager
def started(folder, checkpoint="zoo:mnist"):
    """The playground, started in a folder."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "diffusion_lightning.playground", f"checkpoint={checkpoint}"]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "GRADIO_TEMP_DIR": str(folder / "uploads")}
    log = folder / "log.txt"
    with log.open("w") as file:
        start = time.monotonic()
        process = subprocess.Popen(
            [*command, f"port={port}"], cwd=folder, env=environment, stdout=file, stderr=file
        )
    try:
        while "open it in a browser" not in log.read_text():
            assert process.poll() is None and time.monotonic() - start < 300, log.read_text()
            time.sleep(0.1)
        yield Started(f"http://127.0.0.1:{port}", start, folder)
    finally:
        process.terminate()
        process.wait(60)
    assert "Traceback" not in log.read_text(), log.read_text()


@contextmanager
def chromium(playwright, profile, width=1280, height=800):
    """A browser with a profile of its own."""
    executable = shutil.which("chromium") or shutil.which("chromium-browser")
    assert executable, "this needs Chromium: apt-get install chromium"
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


def opened(page, playground):
    """Open the page of a playground, or open it anew."""
    page.goto(playground.address)
    page.wait_for_selector("#draw-go")
