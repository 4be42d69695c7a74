"""The playground as a person uses it, in a real browser."""

import time

import numpy as np
import pytest
from PIL import Image

from tests.browser.actions import (
    choose,
    copied,
    downloaded,
    draw,
    message,
    paint,
    put,
    sampled,
    shown,
    start,
    tab,
    upload,
)
from tests.browser.served import opened

LATEST, SLOWEST = 20, 5
"""Seconds to the first image, and steps seen a second, on quiet cores: of the computing of the playground,
which is the same where other work takes the cores."""


def test_the_first_image_is_there_soon_after_the_command(playground, page):
    draw(page)
    seconds, computed = time.monotonic() - playground.time, playground.cpu_seconds()
    print(f"from the command to the first image: {seconds:.1f} s, of which {computed:.1f} s of computing")
    assert computed < LATEST


def test_two_samplers_draw_what_their_commands_draw(page, tmp_path):
    put(page, "labels", "3, 8")
    put(page, "images", 2)
    put(page, "seed", 11)
    first = draw(page)
    commands = [copied(page)]
    choose(page, "a-sampler", "heun")
    page.wait_for_function("document.querySelector('#a-steps input[type=number]').value === '18'")
    second = draw(page)
    commands.append(copied(page))
    assert "sampler=ddim" in commands[0] and "sampler=heun sampler/grid=karras" in commands[1]
    assert not np.array_equal(first, second)
    for images, command, name in zip((first, second), commands, ("ddim", "heun"), strict=True):
        (tmp_path / name).mkdir()
        assert np.array_equal(sampled(command, tmp_path / name), images)


def test_the_walk_is_seen_and_the_slider_leads_back(page, playground):
    page.evaluate(
        """() => {
            window.seen = [];
            new MutationObserver(() => {
                const line = document.querySelector('#draw-view .walk p');
                if (line) seen.push([performance.now(), line.innerText]);
            }).observe(document.body, {childList: true, subtree: true, characterData: true});
        }"""
    )
    before = playground.cpu_seconds()
    images = draw(page)
    computed = playground.cpu_seconds() - before
    first = {}
    for milliseconds, text in page.evaluate("seen"):
        first.setdefault(int(text.split("step ")[1].split(" ")[0]), milliseconds / 1000)
    pace = (len(first) - 1) / (max(first.values()) - min(first.values()))
    print(f"{len(first)} of 50 steps seen, {pace:.1f} a second; {50 / computed:.1f} in one of computing")
    assert len(first) >= 40 and 50 / computed > SLOWEST
    slider = page.locator("#draw-back input[type=number]")
    slider.fill("1")
    slider.press("Enter")
    page.wait_for_selector("#draw-view p:has-text('step 1 of 50')")
    assert shown(page, part="x_t").std() > 60 and not np.array_equal(shown(page), images)
    slider.fill("50")
    slider.press("Enter")
    page.wait_for_selector("#draw-view p:has-text('step 50 of 50')")
    assert np.array_equal(shown(page), images)


def test_a_walk_is_stopped_midway_and_the_next_one_is_whole(page):
    put(page, "a-steps", 1000)
    start(page)
    page.click("#draw-stop")
    line = page.wait_for_selector("#draw-view .stopped").inner_text()
    step = int(line.split("step ")[1].split(" ")[0])
    assert 0 < step < 1000 and "stopped" in line
    put(page, "a-steps", 10)
    assert draw(page).shape == (1, 28, 28)


def test_a_hole_is_filled_and_its_command_fills_it_alike(page, tmp_path):
    drawn = draw(page)
    tab(page, "Fill a hole")
    page.click("#fill-go")
    assert message(page, "fill-view") == "there is no picture yet: take the drawn image, or upload one."
    page.click("#fill-take")
    page.wait_for_selector("#fill-painter img")
    page.click("#fill-go")
    page.wait_for_selector("#fill-view .message:has-text('there is no hole yet')")
    paint(page, "fill", (0.2, 0.5), (0.8, 0.5))
    put(page, "labels", "3")
    filled = draw(page, "fill")
    downloaded(page, "fill", tmp_path)
    hole = np.asarray(Image.open(tmp_path / "hole.png")) > 127
    assert 40 < hole.sum() < 80  # a stroke of 17 pixels and the brush's width, 3 pixels wide
    assert np.array_equal(filled[0][~hole], drawn[0][~hole])
    assert not np.array_equal(filled[0][hole], drawn[0][hole])
    assert np.array_equal(sampled(copied(page, "fill"), tmp_path)[-1], filled[0])


def test_a_drawing_is_where_a_walk_starts(page, tmp_path):
    tab(page, "Start from a drawing")
    paint(page, "start", (0.5, 0.1), (0.5, 0.9))
    images = draw(page, "start")
    downloaded(page, "start", tmp_path)
    picture = np.asarray(Image.open(tmp_path / "picture.png"))
    assert set(np.unique(picture)) == {0, 255} and picture[:, [0, -1]].max() == 0
    assert np.array_equal(sampled(copied(page, "start"), tmp_path), np.stack([picture, *images]))


def test_an_upload_is_shown_and_a_damaged_one_is_one_clear_line(page, tmp_path):
    Image.new("L", (40, 20), 200).save(tmp_path / "grey.png")
    (tmp_path / "half.png").write_bytes((tmp_path / "grey.png").read_bytes()[:50])
    (tmp_path / "script.png").write_text("#!/bin/sh\nrm -rf /\n")
    tab(page, "Fill a hole")
    for name in "half.png", "script.png":
        upload(page, "fill", tmp_path / name)
        page.wait_for_selector(f"#fill-said .message:has-text('{name} cannot be read as an image')")
        assert "\n" not in message(page, "fill-said")
        assert not page.query_selector("#fill-painter img")
    upload(page, "fill", tmp_path / "grey.png")
    page.wait_for_selector("#fill-painter img")
    assert page.locator("#fill-said .message").count() == 0


@pytest.mark.parametrize(
    ("control", "value", "said"),
    [
        ("labels", "10", "labels"),
        ("labels", "cat", "labels"),
        ("seed", "-1", "seed: -1 is not a whole number from 0 to 4,294,967,295."),
    ],
)
def test_what_is_out_of_range_is_one_clear_line(page, control, value, said):
    put(page, control, value)
    page.click("#draw-go")
    told = message(page, "draw-view")
    assert said in told and "\n" not in told
    put(page, control, "1")
    draw(page)


def test_two_browsers_at_once_draw_what_each_asked_for(page, browser, playground, tmp_path):
    with browser(tmp_path / "other") as context:
        other = context.new_page()
        opened(other, playground)
        put(page, "seed", 1)
        put(other, "seed", 2)
        put(page, "a-steps", 100)
        put(other, "a-steps", 1000)
        start(other)
        start(page)
        other.click("#draw-stop")
        other.wait_for_selector("#draw-view .stopped")
        page.wait_for_selector("#draw-view .done")
        command = copied(page)
        images = shown(page)
    assert "seed=1" in command and "sampler.steps=100" in command
    assert np.array_equal(sampled(command, tmp_path), images)


def test_a_reload_in_mid_walk_leaves_a_page_that_draws(page, playground):
    for _ in range(3):  # more than may walk at once
        put(page, "a-steps", 1000)
        start(page)
        opened(page, playground)
    assert page.locator("#draw-view .walk").count() == 0
    assert draw(page).shape == (1, 28, 28)


def test_a_run_is_followed_and_nothing_else_is_read(page, playground):
    tab(page, "Follow a run")
    page.wait_for_selector("#follow-state p:has-text('images seen')")
    page.wait_for_selector("#follow-loss canvas, #follow-loss svg")
    for outside in str(playground.folder), "/etc", "outputs/../..":
        page.fill("#follow-run input", outside)
        page.press("#follow-run input", "Enter")
        page.wait_for_selector(f"#follow-state .message:has-text('{outside} is not below outputs')")
    for path in (
        f"{playground.folder}/secret.png",
        "/etc/passwd",
        "secret.png",
        "outputs/digits/one/metrics.csv",
    ):
        answer = page.request.get(f"{playground.address}/gradio_api/file={path}")
        assert answer.status in (403, 404), path
    tab(page, "Draw")
    page.fill("#model input", str(playground.folder))
    page.press("#model input", "Enter")
    page.wait_for_selector("#about .message:has-text('is not below outputs')")


def test_a_run_of_the_folder_is_a_model(page):
    choose(page, "model", "outputs/digits/one")
    page.wait_for_selector("#about:has-text('8×8')")
    draw(page)
    assert "checkpoint=outputs/digits/one" in copied(page)


@pytest.mark.parametrize(("width", "height"), [(1280, 800), (390, 844)])
def test_the_page_fits_its_screen(browser, playground, tmp_path, width, height):
    with browser(tmp_path / "profile", width, height) as context:
        page = context.new_page()
        opened(page, playground)
        draw(page)
        for title in "Draw", "Compare", "Fill a hole", "Follow a run":
            if page.locator(f'[role=tab]:visible:text-is("{title}")').count():
                tab(page, title)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
