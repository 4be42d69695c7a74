"""What a page does for itself no other page feels."""

import pytest

from diffusion_lightning.page import sessions as module
from diffusion_lightning.page.calls import draw
from diffusion_lightning.page.sessions import Sessions
from diffusion_lightning.page.settings import Settings
from diffusion_lightning.page.walk import side_by_side


@pytest.fixture
def begun(hydra, digits):
    """Walks of two pages, with the first frame of each taken."""
    sessions, call = Sessions(), draw(Settings(steps=40), digits)
    shown = {key: sessions.of(key).begin("draw", [call]) for key in "ab"}
    frames = {key: side_by_side(shown[key].walks) for key in "ab"}
    for key in "ab":
        shown[key].frames.append(next(frames[key]))
    return sessions, frames


def test_a_stop_ends_the_walk_of_its_own_page_alone(begun):
    sessions, frames = begun
    sessions.of("a").stop("draw")
    assert len(list(frames["a"])) <= 2 and len(list(frames["b"])) == 39


def test_a_page_that_is_closed_stops_its_walk_and_is_forgotten(begun):
    sessions, frames = begun
    sessions.end("a")
    assert len(list(frames["a"])) <= 2 and len(list(frames["b"])) == 39
    assert len(sessions) == 1 and sessions.of("a").drawn is None
    sessions.end("nobody")


def test_a_new_walk_of_a_tab_stops_the_one_before_it(begun, digits):
    sessions, frames = begun
    before = sessions.of("a").shown["draw"]
    assert sessions.of("a").drawn.equal(before.frames[0][0].x0[0])
    sessions.of("a").begin("draw", before.calls)
    assert len(list(frames["a"])) <= 2 and sessions.of("a").drawn is None
    sessions.of("b").stop()
    assert len(list(frames["b"])) <= 2


def test_of_too_many_pages_those_that_were_not_used_for_longest_are_forgotten(monkeypatch):
    monkeypatch.setattr(module, "MOST_SESSIONS", 2)
    sessions = Sessions()
    first, second = sessions.of("a"), sessions.of("b")
    assert sessions.of("a") is first
    third = sessions.of("c")
    assert len(sessions) == 2 and sessions.of("a") is first and sessions.of("c") is third
    assert sessions.of("b") is not second


def test_however_many_pages_are_opened_a_walk_goes_on(begun, monkeypatch):
    sessions, frames = begun
    monkeypatch.setattr(module, "MOST_SESSIONS", 2)
    before = sessions.of("a")
    for i in range(10):
        sessions.of(f"another {i}")
    assert sessions.of("a") is before and len(list(frames["a"])) == len(list(frames["b"])) == 39
    assert not before.walks
    sessions.of("the last")
    assert len(sessions) <= 3
