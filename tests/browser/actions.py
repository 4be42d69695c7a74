"""What a person does on the page, and sees there."""

import base64
import io
import shlex

import numpy as np
from PIL import Image

from tests.support.command import succeed


def tab(page, title):
    page.click(f'[role=tab]:visible:text-is("{title}")')


def choose(page, control, option):
    """An option of a list."""
    page.fill(f"#{control} input", option)
    page.click(f'[role=option]:visible:text-is("{option}")')


def put(page, control, value):
    """A value into a field."""
    field = page.locator(f"#{control}").locator("input[type=number], textarea, input[type=text]").first
    field.fill(str(value))
    field.press("Tab")


def start(page, tab="draw"):
    """Press the button, and wait until the walk has begun."""
    page.click(f"#{tab}-go")
    page.wait_for_selector(f"#{tab}-view .walking")


def draw(page, tab="draw", walks=1):
    """Press the button, wait for the end of all walks, and give their images."""
    page.eval_on_selector_all(f"#{tab}-view .walk", "walks => walks.forEach(w => w.classList.add('old'))")
    page.click(f"#{tab}-go")
    page.wait_for_selector(f"#{tab}-view .done:not(.old) >> nth={walks - 1}")
    page.wait_for_selector(f"#{tab}-back")
    return shown(page, tab)


def shown(page, tab="draw", part="x0"):
    """The pictures (N, H, W) that the page shows, in their own pixels."""
    addresses = page.eval_on_selector_all(
        f"#{tab}-view .{part} img", "images => images.map(image => image.src)"
    )
    return np.stack([_decoded(address) for address in addresses])


def message(page, where):
    """What the page says went wrong."""
    return page.wait_for_selector(f"#{where} .message").inner_text()


def paint(page, tab, *points):
    """One stroke through these points, in fractions of the board."""
    board = page.locator(f"#{tab}-painter canvas")
    board.scroll_into_view_if_needed()
    box = board.bounding_box()
    (x, y), *others = [(box["x"] + u * box["width"], box["y"] + v * box["height"]) for u, v in points]
    page.mouse.move(x, y)
    page.mouse.down()
    for x, y in others:
        page.mouse.move(x, y, steps=8)
    page.mouse.up()


def upload(page, tab, file):
    """Choose a file by the button."""
    with page.expect_file_chooser() as chooser:
        page.click(f"#{tab}-upload")
    chooser.value.set_files(file)


def copied(page, tab="draw"):
    """The command, by the button that copies it."""
    page.locator(
        f"#{tab}-command button[aria-label*='opy'], #{tab}-command button[title*='opy']"
    ).first.click()
    return page.evaluate("navigator.clipboard.readText()").strip()


def downloaded(page, tab, folder):
    """Save the files that the command reads."""
    for link in page.locator(f"#{tab}-files a").all():
        with page.expect_download() as download:
            link.click()
        download.value.save_as(folder / download.value.suggested_filename)


def sampled(command, folder):
    """The images (N, H, W) that the command draws, in a process of its own."""
    program, script, *options = shlex.split(command)
    assert (program, script) == ("python", "sample.py")
    succeed(script, *options, "out=out", cwd=folder, timeout=300)
    return np.load(folder / "out" / "samples.npz")["arr_0"][..., 0]


def _decoded(address):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition("base64,")[2]))))
