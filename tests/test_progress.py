import io
import logging

import pytest

from diffusion_lightning import progress as module
from diffusion_lightning.progress import one_progress, progress, watched


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test moves: `clock[0]`."""
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    return now


def test_nobody_watches_a_file(monkeypatch):
    assert watched(Terminal()) and not watched(io.StringIO())
    monkeypatch.setattr(module.sys, "stderr", None)  # as of a program without a console
    assert not watched()


def test_lines_say_how_long_it_takes(clock, caplog, monkeypatch):
    monkeypatch.setattr(module.sys, "stderr", io.StringIO())
    caplog.set_level(logging.INFO)
    with progress(100, "sampling", "evaluation") as lines:
        clock[0] += 60  # the first is slow
        for _ in range(100):
            lines.update()
            clock[0] += 1
    said = [record.getMessage() for record in caplog.records]
    assert said == [
        "sampling: 3 of 100 evaluations, about 0:01:37 left",
        "sampling: 33 of 100 evaluations, about 0:01:07 left",
        "sampling: 63 of 100 evaluations, about 0:00:37 left",
        "sampling: 93 of 100 evaluations, about 0:00:07 left",
    ]
    assert module.sys.stderr.getvalue() == ""


def test_what_is_quick_says_nothing(clock, caplog, monkeypatch):
    monkeypatch.setattr(module.sys, "stderr", io.StringIO())
    caplog.set_level(logging.INFO)
    with progress(100, "sampling", "evaluation") as lines:
        for _ in range(100):
            lines.update()
            clock[0] += 0.01
    assert caplog.records == []


@pytest.mark.parametrize("stream", [Terminal, io.StringIO])
def test_a_task_of_parts_has_one_bar(stream, monkeypatch):
    monkeypatch.setattr(module.sys, "stderr", stream())
    with one_progress(30, "task", "evaluation") as whole:
        for _ in range(3):
            with progress(10, "sampling", "evaluation") as part:
                assert part is whole
        with progress(5, "statistics", "image") as other:
            assert other is not whole
    with progress(10, "sampling", "evaluation") as alone:
        assert alone is not whole


def test_a_bar_is_drawn_where_somebody_watches(monkeypatch):
    monkeypatch.setattr(module.sys, "stderr", Terminal())
    with progress(10, "sampling", "evaluation") as bar:
        bar.update(10)
    assert "sampling:   0%" in module.sys.stderr.getvalue()
    monkeypatch.setattr(module.sys, "stderr", Terminal())
    with progress(10, "sampling", "evaluation", shown=False) as bar:
        bar.update(10)
    assert module.sys.stderr.getvalue() == ""
