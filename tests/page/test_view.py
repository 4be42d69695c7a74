"""What the page says of walks."""

from dataclasses import replace

from diffusion_lightning.page.calls import draw
from diffusion_lightning.page.settings import Settings
from diffusion_lightning.page.view import downloads, message, walk_view
from diffusion_lightning.page.walk import Walk


def test_a_walk_is_going_on_stopped_or_done(hydra, digits):
    call = draw(Settings(steps=3, labels="3,7", num_images=2), digits)
    first, _, last = Walk(call, call.steps)
    page = walk_view([call], [first])
    assert 'class="walk walking"' in page and 'max="3" value="1"' in page and page.count("<img") == 4
    assert "DDIM, step 1 of 3, t = 1.000" in page and "A: " not in page
    assert page.count('alt="3"') == page.count('alt="7"') == 2
    assert "stopped</p>" in walk_view([call], [first], walking=False)
    assert 'class="walk done"' in walk_view([call], [last]) == walk_view([call], [last], walking=False)


def test_walks_side_by_side_are_named_and_names_are_no_html(hydra, digits):
    call = draw(Settings(steps=1), digits)
    frames = list(Walk(call, call.steps)) * 2
    page = walk_view([call, replace(call, names=["<i>"])], frames)
    assert "A: DDIM" in page and "B: DDIM" in page and "<i>" not in page
    assert message("<script>") == '<p class="message" role="alert">&lt;script&gt;</p>'


def test_files_that_a_command_reads_are_links():
    assert downloads({}) == ""
    assert 'download="a.png"' in downloads({"a.png": b"x"}) and "base64,eA==" in downloads({"a.png": b"x"})
