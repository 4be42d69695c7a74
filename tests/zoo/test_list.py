"""What `python -m diffusion_lightning.zoo` shows."""

import sys

from diffusion_lightning.zoo.__main__ import main, page
from diffusion_lightning.zoo.cards import Card, cards
from tests.support.command import ROOT

CARD = Card(
    name="letters",
    shows="Letters.",
    data="Alphabet (JPEG copy)",
    licence="Free.",
    recipe="python train.py experiment=letters",
    images_seen=1234567,
    core_hours=2.5,
    parameters=1000,
    sampler="Heun, 9 steps",
    options=["sampler=heun", "sampler.steps=9"],
    guidance="unconditional",
    num_images=5000,
    figures={"fid": [3.14159, 2.71828], "accuracy": [0.5, None]},
    features="mine.",
    limits="No umlauts.",
    sha256="abc",
)


def test_the_page_is_written_from_the_cards():
    assert (ROOT / "docs" / "zoo.md").read_text(encoding="utf-8") == page(cards()) + "\n"


def test_a_model_is_listed_with_data_images_figures_floor_sampler_and_guidance():
    text = page([CARD])
    for fact in (
        "| `zoo:letters` | Alphabet (JPEG copy) | 1,234,567 |",
        "fid 3.14 (2.72), accuracy 0.5 (none); 5,000 images | Heun, 9 steps, unconditional |",
        "python sample.py checkpoint=zoo:letters sampler=heun sampler.steps=9",
        *("2.5 core-hours", "No umlauts.", "`abc`", "Free."),
    ):
        assert fact in text


def test_the_command_lists_every_model(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["zoo"])
    monkeypatch.setenv("COLUMNS", "120")
    main()
    shown = capsys.readouterr().out
    for card in cards():
        assert f"zoo:{card.name}" in shown and f"{card.images_seen:,}" in shown and card.command in shown
        assert all(figure in shown for figure in card.measured())
