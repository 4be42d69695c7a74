"""Any sampler, predictor, corrector × grid × schedule × clamp of conf/ ends at images, or is refused."""

from dataclasses import replace
from itertools import product

import pytest
import torch

from diffusion_lightning.config.instantiate import instantiate
from diffusion_lightning.diffusion.grids import Times
from diffusion_lightning.diffusion.parameterizations import V
from diffusion_lightning.diffusion.schedules import Cosine, Linear
from tests.support.configs import composed, names
from tests.support.oracles import Oracle, normal, sampling_model, through_a_network

STD = 0.1


class Pictures(Oracle):
    """Four images of ±1, each with a little noise of its own; E[x0 | x_t] in closed form."""

    means = normal(4, 64, seed=7).sign()

    def x0(self, x_t, t, y):
        t, x = self.level(t), x_t.double().flatten(1)
        variance = t.alpha**2 * STD**2 + t.sigma**2
        from_mean = x[:, None] - t.alpha * self.means
        share = (-from_mean.square().sum(-1) / (2 * variance)).softmax(1)
        of_mean = self.means + t.alpha * STD**2 / variance * from_mean
        return (share[..., None] * of_mean).sum(1).view_as(x_t).to(x_t)

    def distance(self, x):
        """Of the worst image from the nearest picture, root mean square; about STD for a true sample."""
        differences = x.double().flatten(1)[:, None] - self.means
        return differences.square().mean(-1).sqrt().min(1).values.max().item()


def part(group, name, *more):
    """An object of a group of conf/."""
    cfg = composed("sample", f"{group}={name}", *more)
    for key in group.split("/"):
        cfg = cfg[key]
    return instantiate(cfg)


GRIDS = {name: part("sampler/grid", name) for name in names("sampler/grid")}
GRIDS["times"] = Times([(i / 50) ** 2 for i in range(50, 0, -1)])  # as many as the others have
CLAMPS = {name: part("clamp", name) for name in names("clamp")}
SCHEDULES = [*(instantiate(composed("train", f"schedule={s}").schedule) for s in names("schedule"))]
EXTREME = [Linear(10), Cosine(s=10.0), Linear(beta_end=0.1)]
SAMPLERS = {name: part("sampler", name) for name in names("sampler")}
CORRECTED = {
    f"{corrector} after {predictor}": [
        "predictor_corrector",
        f"sampler/predictor={predictor}",
        f"sampler/corrector={corrector}",
    ]
    for predictor, corrector in product(names("sampler/predictor"), names("sampler/corrector"))
}


def walk(sampler, schedule, clamp, n=4):
    oracle = Pictures(schedule)
    torch.manual_seed(0)
    model = sampling_model(through_a_network(oracle, V()), clamp)
    x = sampler(model, normal(n, 1, 8, 8, dtype=torch.float32))
    assert model.nfe == sampler.evaluations(len(sampler.times(schedule)))
    return oracle.distance(x)


def assert_sane(sampler, clamps=tuple(CLAMPS)):
    everything = [*product(GRIDS, clamps, SCHEDULES), *product(["uniform", "quadratic"], ["none"], EXTREME)]
    for grid, clamp, schedule in everything:
        distance = walk(replace(sampler, grid=GRIDS[grid]), schedule, CLAMPS[clamp])
        assert distance < 4 * STD, (grid, clamp, schedule, distance)


@pytest.mark.parametrize("name", SAMPLERS)
def test_every_sampler_with_every_grid_schedule_and_clamp(name):
    """At 20 steps, or at 50 where it takes hundreds of corrections."""
    assert_sane(replace(SAMPLERS[name], steps=50 if name == "langevin" else 20))


@pytest.mark.parametrize("name", CORRECTED)
def test_every_predictor_with_every_corrector(name):
    if name != "langevin after none":  # which is the sampler langevin
        assert_sane(replace(part("sampler", *CORRECTED[name]), steps=20), ["none"])


FEW = {  # evaluations from which each is good, without a clamp and on its own grid
    "ddim": (["ddim"], 5),
    "deis": (["deis"], 7),
    "dpm_solver_pp": (["dpm_solver_pp"], 7),
    "dpm_solver_pp of order 3": (["dpm_solver_pp", "sampler.order=3"], 12),
    "heun": (["heun"], 15),
}


@pytest.mark.parametrize("name", FEW)
@pytest.mark.parametrize("schedule", [Linear(), Cosine()], ids=lambda s: type(s).__name__)
def test_what_the_pages_say_of_few_evaluations(name, schedule):
    options, least = FEW[name]
    sampler = part("sampler", *options)

    def distance(evaluations):
        steps = max(n for n in range(1, 60) if sampler.evaluations(n) <= evaluations)
        return walk(replace(sampler, steps=steps), schedule, CLAMPS["none"], 64)

    assert max(distance(n) for n in range(least, 60, 4)) < 2.5 * STD
    if name == "heun":  # its first mean of slopes leads out of all images
        assert distance(5) > 3 and distance(9) > 1
    if name == "dpm_solver_pp of order 3":  # below 10, the second order is better
        assert distance(7) > 2 * STD
