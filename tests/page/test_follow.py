"""What the page shows of a run that goes on."""

import pytest

from diffusion_lightning.commands.messages import user_message
from diffusion_lightning.page.places import Models, Places
from diffusion_lightning.page.playing import Playground
from tests.support.run_folders import grid, write_run

pytestmark = pytest.mark.slow  # Gradio takes seconds to import


@pytest.fixture
def playground(tmp_path):
    places = Places("zoo:digits", (tmp_path,))
    return Playground(places, Models(places), 1, user_message)


def look(playground, folder, number=0, seen=0):
    from diffusion_lightning.page.tabs.follow import _look

    return _look(playground, str(folder), number, seen)


def test_what_was_never_logged_has_no_plot(playground, tmp_path):
    folder = write_run(tmp_path / "run")
    state, losses, quality, picture, back, count = look(playground, folder)
    assert "2,560 images seen" in state and losses.visible and quality.visible and back.value == count == 4
    assert "after 2,560 images, 40 steps" in picture and "data:image/png;base64," in picture
    metrics = (folder / "metrics.csv").read_text()
    (folder / "metrics.csv").write_text(metrics.replace("fid", "other"))
    _, losses, quality, *_ = look(playground, folder)
    assert losses.visible and not quality.visible


def test_a_grid_that_is_half_written_is_one_line(playground, tmp_path):
    folder = write_run(tmp_path / "run")
    file = grid(folder, 40)
    file.write_bytes(file.read_bytes()[:40])
    *_, picture, _, _ = look(playground, folder)
    assert "cannot be read" in picture and "<img" not in picture


def test_who_looks_back_is_left_there_and_who_does_not_sees_the_latest(playground, tmp_path):
    folder = write_run(tmp_path / "run")
    assert "10 steps" in look(playground, folder, number=1, seen=4)[3]
    assert "40 steps" in look(playground, folder, number=2, seen=2)[3]


def test_a_grid_that_leads_out_is_not_shown(playground, tmp_path_factory, tmp_path):
    outside = tmp_path_factory.mktemp("outside") / "secret.png"
    folder = write_run(tmp_path / "run")
    file = grid(folder, 40)
    outside.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(outside)
    state, *_ = look(playground, folder)
    assert "is not below" in state and "data:image" not in state
