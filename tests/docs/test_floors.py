"""The picture of the floors is what the code is now, and nothing in it points upwards."""

import re

import pytest

from docs.draw_floors import SVG, House, Room, contract, draw, read_house


def test_the_committed_picture_is_drawn_from_the_code_as_it_is():
    assert SVG.read_text(encoding="utf-8") == draw(read_house()), "run: python docs/draw_floors.py"


def test_no_import_leads_upwards():
    assert read_house().upward() == []


def test_every_room_of_the_contract_is_named_on_the_map():
    page = SVG.with_name("architecture.md").read_text(encoding="utf-8")
    absent = [
        room for floor in contract() for room in floor if f"`{room}/`" not in page and f"`{room}`" not in page
    ]
    assert not absent


@pytest.fixture
def small_house(tmp_path):
    """Two floors: up (a package) imports down (a module) twice, at the top and within a function."""
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "__init__.py").write_text('"""Upstairs."""\n')
    (tmp_path / "up" / "one.py").write_text(
        "from diffusion_lightning.down import f\nfrom diffusion_lightning.up import two\n"
        "def g():\n    import diffusion_lightning.down\n"
    )
    (tmp_path / "down.py").write_text('"""Downstairs. More of it."""\nimport torch\n')
    return tmp_path


def test_rooms_and_imports_are_read_from_the_sources(small_house):
    house = read_house(small_house, [["up"], ["down", "absent"]])
    assert house.floors == (
        (Room("up", "Upstairs.", ("one",), 5),),
        (Room("down", "Downstairs.", (), 2),),
    )
    assert house.imports == {("up", "down"): 2}
    assert house.between_floors() == {(2, 1): 2}


def test_an_upward_import_is_found(small_house):
    (small_house / "down.py").write_text("from diffusion_lightning.up.one import g\n")
    assert read_house(small_house, [["up"], ["down"]]).upward() == ["down imports up"]


def test_a_room_on_no_floor_is_refused(small_house):
    with pytest.raises(SystemExit, match="down is on no floor"):
        read_house(small_house, [["up"]]).between_floors()


def test_the_picture_counts_the_imports_of_each_floor(small_house):
    svg = draw(read_house(small_house, [["up"], ["down"]]))
    assert re.findall(r"font-size='9' [^>]*>(\d+)<", svg) == ["2"]
    assert svg == draw(House(*vars(read_house(small_house, [["up"], ["down"]])).values()))
