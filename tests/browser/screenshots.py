"""Draw the pictures of docs/playground.md: `python -m tests.browser.screenshots [checkpoint] [run]`."""

import shutil
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import sync_playwright

from tests.browser.actions import draw, paint, put, tab
from tests.browser.served import chromium, opened, started
from tests.support.command import ROOT, succeed

IMAGES = ROOT / "docs" / "images"

FOLLOWED = [
    *("experiment=digits_cfg", "network.width=16", "optimizer.lr=8e-3", "trainer.max_epochs=6"),
    *("callbacks=fid", "callbacks.fid.num_images=200", "callbacks.fid.sampler.steps=10"),
    *("callbacks.sample_grid.every_n_epochs=1", "callbacks.sample_grid.num_images=40", "sampler.steps=20"),
]
"""A small training, which the last picture follows, unless a run is given."""


def main(checkpoint="zoo:mnist", run=None):
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        folder = Path(name)
        if run is None:
            succeed("train.py", *FOLLOWED, cwd=folder, timeout=600)
        else:
            shutil.copytree(run, folder / "outputs" / Path(run).name)
        with started(folder, checkpoint) as playground:
            with chromium(playwright, folder / "wide") as context:
                page = context.new_page()
                opened(page, playground)
                wide(page)
            with chromium(playwright, folder / "phone", 390, 844) as context:
                page = context.new_page()
                opened(page, playground)
                put(page, "labels", "3")
                draw(page)
                shoot(page, "phone")


def wide(page):
    """Each tab at 1280×800."""
    put(page, "labels", "3, 5, 8")
    put(page, "images", 6)
    draw(page)
    shoot(page, "draw")
    put(page, "images", 3)
    tab(page, "Compare")
    draw(page, "compare", walks=2)
    shoot(page, "compare", top="#compare-go")
    tab(page, "Interpolate")
    draw(page, "interpolate")
    shoot(page, "interpolate")
    put(page, "images", 2)
    tab(page, "Fill a hole")
    page.click("#fill-take")
    page.wait_for_selector("#fill-painter img")
    paint(page, "fill", (0.2, 0.6), (0.8, 0.6))
    draw(page, "fill")
    shoot(page, "fill")
    tab(page, "Start from a drawing")
    put(page, "labels", "7")
    paint(page, "start", (0.3, 0.25), (0.7, 0.25), (0.45, 0.8))
    draw(page, "start")
    shoot(page, "start")
    tab(page, "Follow a run")
    page.wait_for_selector("#follow-loss canvas, #follow-loss svg")
    page.wait_for_selector("#follow-picture img")
    shoot(page, "follow", top="#follow-state")


def shoot(page, name, top=None):
    """What is seen from the top of the page, or of an element, on."""
    page.mouse.move(0, 0)
    page.evaluate("window.scrollTo(0, 0)")
    if top:
        page.eval_on_selector(top, "element => element.scrollIntoView()")
    page.wait_for_timeout(500)
    page.screenshot(path=IMAGES / f"playground_{name}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
