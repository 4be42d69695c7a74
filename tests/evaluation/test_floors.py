"""The floor is measured once, and again when anything that it depends on is another."""

import json

import pytest
import torch

from diffusion_lightning.evaluation.cache import CACHE, cache_folder
from diffusion_lightning.evaluation.comparison import Metric
from diffusion_lightning.evaluation.doubt import Doubtful
from diffusion_lightning.evaluation.extractors import Identity
from diffusion_lightning.evaluation.floors import measure_floors
from diffusion_lightning.evaluation.measure import load_reference
from tests.support.data import digits


class Counting(Metric):
    """Says how often it was asked."""

    asked = 0

    def __call__(self, compared):
        Counting.asked += 1
        return {
            "asked": float(Counting.asked),
            "thirds": compared.samples.n / 3,
            "none": Doubtful("no reason"),
        }


@pytest.fixture
def floors(monkeypatch, tmp_path):
    monkeypatch.setenv(CACHE, str(tmp_path))
    Counting.asked = 0

    def floors(metric=Counting, options=None, n=20, extractor=None, **of_data):
        extractor = extractor or Identity()
        reference = load_reference(digits(**of_data), extractor)
        return measure_floors({"counting": metric()}, options or {}, reference, extractor, n)

    return floors


def test_the_floor_is_measured_once(floors):
    first = floors()
    assert list(first) == ["floor", "floor_same_n"] and Counting.asked == 2
    assert first["floor"].values == {"asked": 1.0, "thirds": 297 / 3, "none": None}
    assert first["floor_same_n"].values["thirds"] == 20 / 3 and first["floor"].reasons == {
        "none": "no reason"
    }
    assert floors() == first and Counting.asked == 2
    assert floors(n=297).keys() == {"floor"} and Counting.asked == 2


@pytest.mark.parametrize(
    "change", [{"options": {"k": 3}}, {"limit": 200}, {"n": 21}, {"extractor": torch.nn.Flatten()}]
)
def test_another_floor_is_another(change, floors):
    floors()
    floors(**change)
    assert Counting.asked > 2


def test_so_is_that_of_other_code(floors, monkeypatch):
    floors()
    monkeypatch.setattr("diffusion_lightning.evaluation.floors.file_sha256", lambda file: "another")
    floors()
    assert Counting.asked == 4


def test_a_damaged_file_is_written_again(floors):
    first = floors()
    for file in (cache_folder() / "floors").iterdir():
        file.write_text(file.read_text()[:20])
    assert floors()["floor"].values.keys() == first["floor"].values.keys() and Counting.asked == 4
    assert all(json.loads(file.read_text()) for file in (cache_folder() / "floors").iterdir())
