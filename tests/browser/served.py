"""A playground in a process of its own, and headless Chromium that looks at it."""

import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

from tests.support.command import ROOT

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
)
"""Chromium as root, and silent."""

WAIT = 180_000
"""Milliseconds, as other work may take the cores."""


class Started:
    """A playground: its address, when its command was typed, its process, and the folder that it runs in."""

    def __init__(self, address, time, process, folder):
        self.address, self.time, self.process, self.folder = address, time, process, folder

    def cpu_seconds(self):
        """Seconds that its process has computed so far, whatever else the machine does (proc(5))."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
        yield Started(f"http://127.0.0.1:{port}", start, process, folder)
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
