"""Schedules, grids, clamps, objectives, samplers: values with a repr to paste, equality and `replace`."""

from dataclasses import FrozenInstanceError, fields, replace

import pytest
import torch
from jaxtyping import TypeCheckError

import diffusion_lightning as dl
from diffusion_lightning.config.types import arguments_of

VALUES = [
    *(dl.Linear(100), dl.Linear(beta_end=0.03), dl.Cosine(50, 0.01), dl.Eps(), dl.X0(), dl.V(), dl.EDM(0.4)),
    *(dl.Uniform(), dl.Quadratic(), dl.LogSNR(), dl.Karras(5.0), dl.Times((1.0, 0.5))),
    *(dl.NoClamp(), dl.Static(), dl.Dynamic(0.9)),
    *(dl.SimpleMSE(), dl.MinSNR(3.0), dl.Guidance(0.1, 2.0), dl.Langevin(0.2), dl.Resample(), dl.NoStep(9)),
    *(dl.DDIM(20, 0.5), dl.DDIM(20, grid=dl.Karras()), dl.DDPM(variance="beta"), dl.DEIS(order=2)),
    *(dl.Heun(9, 0.1), dl.DPMSolverPP(9, 3, True), dl.FlowLikelihood(9)),
    *(dl.UniformTimes(), dl.LogNormalTimes(-0.4), dl.LaplaceTimes(), dl.MinSNR(times=dl.LaplaceTimes())),
    dl.PredictorCorrector(9, predictor=dl.DDIM(eta=1.0), corrector=dl.Langevin(0.1), n_corrections=2),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_a_repr_pasted_back_is_the_same_value_and_no_other(value):
    assert eval(repr(value), vars(dl) | {name: getattr(dl, name) for name in dl.__all__}) == value
    assert replace(value) == value and hash(replace(value)) == hash(value)
    assert [other for other in VALUES if other == value] == [value]


@pytest.mark.parametrize("value", [v for v in VALUES if fields(v)], ids=repr)
def test_a_value_does_not_change_and_its_copy_does(value):
    name = fields(value)[0].name
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, getattr(value, name))


def test_a_changed_copy_is_checked_as_the_first_was():
    assert replace(dl.DDIM(20, 0.5), steps=7) == dl.DDIM(7, 0.5)
    for value, change in ((dl.DDIM(), {"eta": 2}), (dl.Heun(), {"steps": 0}), (dl.Cosine(), {"T": 0})):
        with pytest.raises(dl.UserError, match=f"{next(iter(change))} is"):
            replace(value, **change)


def test_the_command_line_knows_the_types_of_inherited_fields_too():
    hints, closed = arguments_of("diffusion_lightning.PredictorCorrector")
    assert closed and hints["steps"] == int | None and hints["n_corrections"] is int
    assert (hints["grid"], hints["predictor"], hints["corrector"]) == (dl.Grid, dl.Sampler, dl.Corrector)
    assert arguments_of("diffusion_lightning.Cosine") == ({"T": int, "s": float}, True)
    assert arguments_of("diffusion_lightning.Static") == ({}, True)


def test_a_wrong_shape_is_refused_where_shapes_are_checked():
    denoiser = dl.Denoiser(dl.UNet(1, 8, 3, 8, (1, 2), 1), dl.Linear(), dl.Eps())
    x0, y = torch.zeros(4, 1, 8, 8), torch.zeros(4, dtype=torch.long)
    assert dl.SimpleMSE()(denoiser, x0, y).shape == (4,)
    with pytest.raises(TypeCheckError, match="'y'"):
        dl.SimpleMSE()(denoiser, x0, y[:3])
    with pytest.raises(TypeCheckError, match="'y'"):
        dl.SimpleMSE()(denoiser, x0, y.float())
    with pytest.raises(TypeCheckError, match="'b'"):
        dl.slerp(x0, x0[:, :, :4], torch.zeros(4))
