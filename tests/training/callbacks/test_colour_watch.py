import pytest
import torch

from diffusion_lightning.data.base import TensorImages
from diffusion_lightning.training.callbacks.colour_watch import ColourWatch


def grey(value, n=64):
    return torch.full((n, 3, 4, 4), value, dtype=torch.uint8)


@pytest.fixture
def data():
    """Two colours: mean 100, standard deviation 50 in every channel."""
    return TensorImages(torch.cat([grey(50), grey(150)]), torch.zeros(128))


def test_drift_is_in_standard_deviations_and_saturation_beyond_the_datas(data):
    samples = grey(100)
    samples[:, 2] = 120
    samples[:, 0, 0] = torch.tensor([0, 255, 100, 100])  # 2 of 16 values of one channel of three
    found = ColourWatch()(samples, data)
    assert found["samples/drift"] == pytest.approx(20 / 50.13, abs=0.01)
    assert found["samples/saturated"] == pytest.approx(2 / 48)


def test_it_warns_when_colours_leave_and_not_before_they_were_close(data, caplog):
    watch = ColourWatch()
    for value in (250, 180, 130, 101, 105):  # a young model, and one that has learned
        watch(grey(value), data)
    assert not caplog.records
    watch(grey(130), data)
    assert "drift is 0.6" in caplog.text and "0.02" in caplog.text
    caplog.clear()
    watch(grey(255), data)
    assert "saturated is 1" in caplog.text


def test_a_data_set_may_be_smaller_than_the_number_of_images_compared():
    images = TensorImages(grey(7, n=1), torch.zeros(1))
    assert ColourWatch()(grey(7, n=1), images) == {"samples/drift": 0, "samples/saturated": 0}
