"""What a tab does while it draws, without a browser."""

from types import SimpleNamespace

import pytest

from diffusion_lightning.commands.messages import user_message
from diffusion_lightning.page.calls import draw
from diffusion_lightning.page.places import Models, Places
from diffusion_lightning.page.playing import Playground
from diffusion_lightning.page.settings import Settings

pytestmark = pytest.mark.slow  # Gradio takes seconds to import


@pytest.fixture
def stage(hydra, tmp_path):
    import gradio as gr

    from diffusion_lightning.page.stage import Stage

    places = Places("zoo:digits", (tmp_path,))
    playground = Playground(places, Models(places), 1, user_message)
    with gr.Blocks():
        return Stage(playground, "draw", "Draw", lambda _, model: [draw(Settings(steps=5), model)])


def test_who_leaves_before_the_first_step_leaves_no_walk(stage):
    request = SimpleNamespace(session_hash="a")
    drawing, session = stage._draw(request, "zoo:digits"), stage.playground.sessions.of("a")
    _, _, command, python, _ = next(drawing)
    assert command.startswith("python sample.py checkpoint=zoo:digits") and "dl.load" in python
    assert session.walks
    drawing.close()
    assert not session.walks


def test_a_walk_that_ended_is_over_and_leads_back(stage):
    request = SimpleNamespace(session_hash="a")
    *_, (view, back, *_) = stage._draw(request, "zoo:digits")
    session = stage.playground.sessions.of("a")
    assert not session.walks and 'class="walk done"' in view and back.maximum == back.value == 5
    assert "step 2 of 5" in stage._show(2, request)
    assert "nothing is drawn yet" in stage._show(9, request)


def test_what_is_wrong_is_said_in_the_view(stage):
    ((view, *_),) = stage._draw(SimpleNamespace(session_hash="a"), "zoo:none")
    assert "there is no model zoo:none" in view
