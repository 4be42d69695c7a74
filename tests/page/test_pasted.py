"""Python text that makes the value again."""

from dataclasses import dataclass

import diffusion_lightning as dl
from diffusion_lightning.page.pasted import modules_of, pasted


@dataclass(frozen=True)
class Mine(dl.DDIM):
    pass


def test_the_text_makes_the_value_again():
    walk = dl.PredictorCorrector(
        predictor=dl.DEIS(order=2), corrector=dl.Langevin(r=0.2), grid=dl.Karras(5.0)
    )
    for value in walk, dl.Guidance(0.1, 3.0, [0.2, 0.8]), [1, "a'b", (2.5,), None], dl.NoStep():
        assert eval(pasted(value), {"dl": dl}) == value
    assert pasted(dl.DDIM(20)) == "dl.DDIM(steps=20)" and pasted(dl.DDIM()) == "dl.DDIM()"
    assert not modules_of(walk)


def test_a_class_of_ones_own_is_imported():
    value = dl.PredictorCorrector(predictor=Mine(), corrector=dl.Langevin())
    assert f"predictor={__name__}.Mine()" in pasted(value) and modules_of([value]) == {__name__}
